/** What finding an engine may look at: handed in, so that nothing here reads the process. */
export interface EngineEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The user's home folder. */
  readonly home: string
  readonly platform: NodeJS.Platform
  /** The user's id on Unix: names the rootless sockets' folder when XDG_RUNTIME_DIR does not. */
  readonly uid?: number
}
