/** Whether a URL or `host[:port]` means this machine. */
export function isLoopback(server: string): boolean {
  const host = server.replace(/^https?:\/\//i, '').replace(/[/?#].*$/, '')
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)
}
