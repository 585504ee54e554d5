type Environment = Readonly<Record<string, string | undefined>>

/**
 * Why no browser can be opened here, or one that could not reach this machine's loopback address; undefined when
 * one can. Then a login with a code is what works.
 *
 * @param platform Node's name of the operating system
 */
export function headlessReason(environment: Environment, platform: string): string | undefined {
  const isSet = (...names: string[]) => names.some((name) => Boolean(environment[name]))
  if (isSet('SSH_CONNECTION', 'SSH_TTY', 'SSH_CLIENT')) return 'this is an SSH session'
  if (isSet('CODESPACES')) return 'this is a codespace'
  if (isSet('REMOTE_CONTAINERS', 'DEVCONTAINER')) return 'this is a dev container'
  if (isSet('CI') && environment['CI'] !== 'false') return 'this is CI'
  // WSL opens Windows' browser, which reaches the loopback address.
  const hasDisplay = isSet('DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME', 'BROWSER')
  return platform === 'linux' && !hasDisplay ? 'there is no display' : undefined
}
