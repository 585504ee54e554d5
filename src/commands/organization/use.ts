import { ImgctlError } from '../../errors/error.ts'
import { successLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description: `Makes the commands of a profile use an organization. For one command --organization is enough, for a script
IMGCTL_ORGANIZATION.`,
  arguments: { organization: required('<organization>', 'by slug or id') },
  options: {},
  examples: ['imgctl organization use team', 'imgctl --profile work organization use team'],
  async run({ args }, { streams: { stderr }, profiles, server, session, signal }) {
    const { profile } = await session()
    if (profile === undefined) {
      throw new ImgctlError('USAGE', 'IMGCTL_API_KEY is in use, and its organization cannot be changed', {
        hint: 'unset IMGCTL_API_KEY, or make a key for the other organization: imgctl key create',
      })
    }
    const organizations = await (await server()).organizations(signal)
    const found = organizations.find(({ id, slug }) => id === args.organization || slug === args.organization)
    if (found === undefined) {
      const known = organizations.map(({ slug }) => slug).join(', ')
      throw new ImgctlError('NOT_FOUND', `you are in no organization ${JSON.stringify(args.organization)}`, {
        hint: `yours: ${known || 'none'}`,
      })
    }
    await profiles.update(profile, { organization: found.slug })
    stderr.write(successLine(stderr, `Profile ${profile} now uses the organization ${found.slug}`))
  },
})
