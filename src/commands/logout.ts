import { defineCommand } from './command.ts'
import { flag } from './options/kinds.ts'

export default defineCommand({
  description:
    'Forgets the API key of a profile. The profile keeps its server, so that imgctl login finds it again.',
  arguments: {},
  options: { all: flag('--all', 'the keys of all profiles') },
  examples: ['imgctl logout', 'imgctl logout --profile work', 'imgctl logout --all'],
  async run({ options }, { streams, profiles, credentials, target, environment }) {
    const config = await profiles.read()
    const { profile } = options.all ? { profile: undefined } : await target()
    const names = options.all ? [...config.profiles.keys()] : profile === undefined ? [] : [profile]
    const store = credentials()
    const loggedOut: string[] = []
    for (const name of names) {
      if ((await store.read(name)) === undefined) continue
      await store.remove(name)
      loggedOut.push(name)
    }
    streams.stderr.write(
      loggedOut.length > 0
        ? `${streams.stderr.style.green('✓')} Successfully logged out (${loggedOut.join(', ')})\n`
        : 'Nobody was logged in\n',
    )
    if (environment['IMGCTL_API_KEY']) streams.stderr.write('IMGCTL_API_KEY is set and still in use\n')
  },
})
