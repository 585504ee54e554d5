import { ImgctlError } from '../errors/error.ts'
import { successLine, textLine, warningLine } from '../terminal/streams.ts'
import { defineCommand } from './command.ts'
import { flag } from './options/kinds.ts'

export default defineCommand({
  description: `Forgets the login of a profile, in the keychain, in files and in the cache, and ends it at its issuer. The profile keeps
its server, so that imgctl login finds it again. An API key goes on being good: imgctl key revoke ends it.`,
  arguments: {},
  options: { all: flag('--all', 'the logins of all profiles') },
  examples: ['imgctl logout', 'imgctl logout --profile work', 'imgctl logout --all'],
  async run({ options }, { streams: { stderr }, profiles, logins, target, cacheStore, environment, signal }) {
    const config = await profiles.read()
    const { profile: current } = options.all ? { profile: undefined } : await target()
    const names = options.all ? [...config.profiles.keys()] : current === undefined ? [] : [current]
    const store = await logins()
    const failures: unknown[] = []
    let loggedOut = 0
    for (const profile of names) {
      const server = config.profiles.get(profile)?.server ?? ''
      try {
        const result = await store.remove({ profile, server }, signal)
        if (!result.loggedOut) continue
        loggedOut++
        await (await cacheStore()).forgetUploads(URL.canParse(server) ? new URL(server).host : '')
        stderr.write(successLine(stderr, `Successfully logged out (${profile})`))
        if (result.revoked !== 'failed') continue
        stderr.write(
          warningLine(
            stderr,
            `the issuer was not told: it would still take the forgotten login of ${profile}`,
          ),
        )
      } catch (error) {
        signal.throwIfAborted()
        failures.push(error)
        if (error instanceof ImgctlError) stderr.write(warningLine(stderr, `${profile}: ${error.message}`))
      }
    }
    if (failures.length > 0) throw failures[0]
    if (loggedOut === 0) stderr.write(textLine('Nobody was logged in'))
    if (environment['IMGCTL_API_KEY'])
      stderr.write(warningLine(stderr, 'IMGCTL_API_KEY is set and still in use'))
  },
})
