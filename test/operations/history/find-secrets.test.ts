import { expect, test } from 'vitest'
import { findSecrets } from '../../../src/operations/history/find-secrets.ts'
import type { HistoryStep } from '../../../src/operations/history/steps.ts'

function step(createdBy: string, comment = ''): HistoryStep {
  const nothing = { id: undefined, created: undefined, size: 0, layer: undefined, tags: [] }
  return { ...nothing, createdBy, instruction: createdBy, comment }
}
const found = (createdBy: string) => findSecrets([step(createdBy)]).map(({ what }) => what)

test.each([
  ['ENV DB_PASSWORD=hunter2', ['DB_PASSWORD']],
  ['/bin/sh -c #(nop)  ENV API_KEY=abc', ['API_KEY']],
  ['|2 USER=me NPM_TOKEN=abc /bin/sh -c npm ci', ['NPM_TOKEN']],
  ['RUN /bin/sh -c login --password=abc --token "x y" # buildkit', ['--password', '--token']],
  ['RUN curl -H "Authorization: Bearer abcdefgh1234" x', ['an Authorization header']],
  ['RUN git clone https://me:pass@example.org/x', ['a password in a URL']],
  [`ENV X=AKIA${'A'.repeat(16)}`, ['an AWS access key']],
  [`RUN echo ghp_${'a'.repeat(36)}`, ['a GitHub token']],
  ['RUN echo "-----BEGIN RSA PRIVATE KEY-----"', ['a private key']],
  ['ENV SECRET_KEY_BASE_DIR=/x', []],
  ['ENV DB_PASSWORD=$PASSWORD', []],
  ['ENV DB_PASSWORD_FILE=/run/secrets/db', []],
  ['ENV DB_PASSWORD=', []],
  ['ENV PASSWORD=""', []],
  ['ENV TOKENIZERS_PARALLELISM=false', []],
  ['ENV COMPASS=x', []],
  ['RUN --mount=type=secret,id=token cat /run/secrets/token', []],
  ['LABEL org.opencontainers.image.url=https://example.org/x', []],
])('%s', (createdBy, names) => {
  expect(found(createdBy)).toEqual(names)
})

test('steps are counted from the first, and the value is not repeated', () => {
  const secrets = findSecrets([step('CMD ["x"]'), step('ENV A_TOKEN=hunter2'), step('ADD x')])
  expect(secrets).toEqual([{ step: 2, what: 'A_TOKEN' }])
  expect(JSON.stringify(secrets)).not.toContain('hunter2')
})
