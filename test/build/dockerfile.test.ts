import { expect, test } from 'vitest'
import { baseImages } from '../../src/build/base-images.ts'
import { readDockerfile } from '../../src/build/dockerfile.ts'
import { buildKitFeatures, fixedPlatforms, secretArgumentWarning } from '../../src/build/dockerfile-checks.ts'

function read(text: string) {
  return readDockerfile(Buffer.from(text), 'Dockerfile')
}

function keywords(text: string): string[] {
  return read(text).instructions.map(({ keyword, line }) => `${line} ${keyword}`)
}

test.each(['', '\n\n', '# only a comment\n', '# syntax=docker/dockerfile:1\n', '\ufeff', '   \\\n  \n'])(
  'an empty Dockerfile: %j',
  (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  },
)

test.each([
  ['FROM a\nRUN b\n', ['1 FROM', '2 RUN']],
  ['\ufefffrom a\r\nrun b\r\n', ['1 FROM', '2 RUN']],
  ['FROM a\nRUN b \\\n  c \\  \n\n # note\n  d\nCMD e', ['1 FROM', '2 RUN', '7 CMD']],
  ['FROM a\nRUN echo \\\\\nCMD e', ['1 FROM', '2 RUN', '3 CMD']],
  ['# escape=`\nFROM a\nRUN dir c:\\\nRUN b `\n c\nCMD d', ['2 FROM', '3 RUN', '4 RUN', '6 CMD']],
  ['# note\n# escape=`\nFROM a\nRUN b \\\n c', ['3 FROM', '4 RUN']],
  ['FROM a\nRUN <<EOF\nRUN x\nEOF\nCMD b', ['1 FROM', '2 RUN', '5 CMD']],
  ["FROM a\nCOPY <<'A B' <<-C /x/\nCOPY y\nA B\nCMD\n\t\tC\nCMD b", ['1 FROM', '2 COPY', '7 CMD']],
  ['FROM a\nRUN cat <<A > /x && \\\n  cat <<B\nRUN 1\nA\nRUN 2\nB\nCMD b', ['1 FROM', '2 RUN', '8 CMD']],
  ['FROM a\nRUN echo "x <<EOF" $((1 << 2)) \'<<Y\'\nCMD b', ['1 FROM', '2 RUN', '3 CMD']],
  ['FROM a\nLABEL x="<<EOF"\nENV A <<B\nCMD b', ['1 FROM', '2 LABEL', '3 ENV', '4 CMD']],
  ['FROM a\nONBUILD RUN <<EOF\nRUN x\nEOF\nCMD b', ['1 FROM', '2 RUN', '5 CMD']],
  ['FROM a\nRUN <<EOF\nnever ends', ['1 FROM', '2 RUN']],
])('instructions and their lines: %j', (text, expected) => {
  expect(keywords(text)).toEqual(expected)
})

test.each([
  ['FROM a\nRUN x\nCOPY --from=b --chown=1:1 a b\nADD --chown=1 a b', []],
  ['# syntax=docker/dockerfile:1.7\nFROM a', ['1 # syntax']],
  ['#Syntax = docker/dockerfile\nFROM a', ['1 # syntax']],
  ['FROM a\n# syntax=docker/dockerfile:1', []],
  ['FROM a\nRUN --mount=type=cache,target=/x \\\n --network=none y', ['2 RUN --mount', '2 RUN --network']],
  ['FROM a\nRUN \\\n  --mount=type=secret,id=x y', ['2 RUN --mount']],
  ['FROM a\nRUN echo --mount=x', []],
  ['FROM a\nRUN <<EOF\nEOF', ['2 RUN <<']],
  ['FROM a\nCOPY <<X /x\nX', ['2 COPY <<']],
  ['FROM a\ncopy --link --chmod=755 --parents a b', ['2 COPY --link', '2 COPY --chmod', '2 COPY --parents']],
  ['FROM a\nADD --checksum=sha256:0 http://x /', ['2 ADD --checksum']],
  ['FROM a\nONBUILD RUN --mount=type=bind x', ['2 RUN --mount']],
  ['FROM --platform=linux/amd64 a\nHEALTHCHECK --interval=1s CMD x', []],
])('what needs BuildKit: %j', (text, expected) => {
  expect(buildKitFeatures(read(text)).map(({ what, line }) => `${line} ${what}`)).toEqual(expected)
})

test('platforms that FROM fixes', () => {
  const text = `FROM --platform=$BUILDPLATFORM a AS b\nFROM a\nfrom --platform="linux/arm64" c\nFROM --platform=\${X} d`
  expect(fixedPlatforms(read(text))).toEqual([
    { what: 'FROM --platform=linux/arm64', platform: 'linux/arm64', line: 3 },
  ])
})

test.each([
  ['FROM a\nFROM b:1 AS x\nFROM x\nFROM X AS y\nFROM scratch\nFROM a', {}, ['a', 'b:1']],
  [`ARG V=1\nARG R="reg.example:5000"\nFROM \${R}/app:$V`, {}, ['reg.example:5000/app:1']],
  ['ARG V=1\nFROM app:$V', { V: '2' }, ['app:2']],
  ['ARG V\nFROM app:$V', { V: '2' }, ['app:2']],
  ['ARG V\nFROM app:$V\nFROM b', {}, ['b']],
  [`FROM app:\${V:-latest}\nFROM b\${V:+-x}`, {}, ['app:latest', 'b']],
  ['ARG A=1 B=$A.2\nFROM app:$B', {}, ['app:1.2']],
  ['FROM a\nARG V=9\nFROM app:$V', {}, ['a']],
  ['FROM --platform=linux/amd64 a@sha256:0 as b\nFROM b', {}, ['a@sha256:0']],
])('images that FROM names: %j with %j', (text, buildArguments, expected) => {
  expect(baseImages(read(text), buildArguments)).toEqual(expected)
})

test.each(['NPM_TOKEN', 'password', 'DB_PASSWD', 'AWS_SECRET_ACCESS_KEY', 'api_key', 'APIKEY', 'GH_AUTH'])(
  'a build argument that looks like a secret: %s',
  (name) => {
    const warning = secretArgumentWarning(name)
    expect(warning).toContain(`--build-arg ${name} `)
    expect(warning).toContain(`--secret id=${name.toLowerCase()},env=${name}`)
  },
)

test.each(['VERSION', 'TOKENIZER', 'MONKEY', 'KEYBOARD', 'AUTHOR', 'PUBLIC_KEY', 'http_proxy'])(
  'a build argument that does not: %s',
  (name) => {
    expect(secretArgumentWarning(name)).toBeUndefined()
  },
)
