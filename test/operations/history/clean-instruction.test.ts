import { expect, test } from 'vitest'
import { cleanInstruction } from '../../../src/operations/history/clean-instruction.ts'

test.each([
  // The classic builder.
  ['/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]', 'CMD ["nginx" "-g" "daemon off;"]'],
  ['/bin/sh -c #(nop) ADD file:ff3112828967e8004 in / ', 'ADD file:ff3112828967e8004 in /'],
  ['/bin/busybox sh -c #(nop)  ENV A=1', 'ENV A=1'],
  ['/bin/sh -c set -x     && addgroup -g 101 -S nginx', 'RUN set -x && addgroup -g 101 -S nginx'],
  ['|1 VERSION=1 /bin/sh -c make', 'RUN make'],
  ['|2 A=one two B=3 /bin/sh -c make A=$A', 'RUN make A=$A'],
  ['|1 VERSION=1 /bin/busybox mkdir -p /tmp', 'RUN /bin/busybox mkdir -p /tmp'],
  ['/bin/bash -o pipefail -c curl x | sh', 'RUN curl x | sh'],
  ['/bin/bash -euxo pipefail -c make', 'RUN make'],
  ['/bin/ash -eo pipefail -c make', 'RUN make'],
  ['cmd /S /C dir', 'RUN dir'],
  ['cmd /S /C #(nop)  ENV A=1', 'ENV A=1'],
  ['powershell -Command $ErrorActionPreference = 1', 'RUN $ErrorActionPreference = 1'],
  // BuildKit.
  ['RUN /bin/sh -c apt-get update # buildkit', 'RUN apt-get update'],
  ['RUN |1 VERSION=1 /bin/sh -c echo $VERSION # buildkit', 'RUN echo $VERSION'],
  ['RUN /bin/sh -c echo "# buildkit" >a # buildkit', 'RUN echo "# buildkit" >a'],
  ['COPY hello.txt /hello.txt # buildkit', 'COPY hello.txt /hello.txt'],
  ['CMD ["cat" "/hello.txt"]', 'CMD ["cat" "/hello.txt"]'],
  ['RUN /app --init # buildkit', 'RUN /app --init'],
  // Podman and buildah.
  ['/bin/sh -c #(nop) COPY file:6c01b1e9 in /hello.txt ', 'COPY file:6c01b1e9 in /hello.txt'],
  // What no Dockerfile wrote.
  ['/bin/bash', '/bin/bash'],
  ['bazel build ...', 'bazel build ...'],
  ['', ''],
  ['|9999999999 x', '|9999999999 x'],
  ['|3 no assignment', 'RUN no assignment'],
  ['/bin/sh -c first\n\tsecond', 'RUN first second'],
])('%j is %j', (createdBy, instruction) => {
  expect(cleanInstruction(createdBy)).toBe(instruction)
})

test.each([`|99 ${'A= '.repeat(50_000)}`, `/bin/sh ${'-e '.repeat(50_000)}`, ' '.repeat(200_000)])(
  'a text that is made to be slow ends in time',
  (text) => {
    expect(cleanInstruction(text).length).toBeLessThanOrEqual(text.length + 'RUN '.length)
  },
)
