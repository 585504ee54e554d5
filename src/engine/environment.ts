/** What finding an engine may look at: handed in, so that nothing here reads the process. */
export interface EngineEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The user's home folder. */
  readonly home: string
  readonly platform: NodeJS.Platform
  /** The user's id on Unix: names the rootless sockets' folder when XDG_RUNTIME_DIR does not. */
  readonly uid?: number
}

/** What the user said on the command line; it goes before everything in the environment. */
export interface EngineChoice {
  /** `--host`: an address as in DOCKER_HOST. */
  readonly host?: string
  /** `--context`: the name of a docker context. */
  readonly context?: string
}
