exports.Client = class {
  constructor() {
    throw new Error(
      'ssh:// engines are reached through `ssh HOST docker system dial-stdio`, never through ssh2',
    )
  }
}
