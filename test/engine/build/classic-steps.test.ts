import { describe, expect, test } from 'vitest'
import { ClassicSteps } from '../../../src/engine/build/classic-steps.ts'
import { SecretMask } from '../../../src/engine/build/secret-mask.ts'
import { BuildSteps } from '../../../src/engine/build/steps.ts'
import { recorder } from './scripted-buildkit.ts'

/** The events that the builder's text means, in short, and the images that it made. */
function read(...lines: string[]) {
  const { events, onEvent } = recorder()
  const steps = new ClassicSteps(new BuildSteps(new SecretMask(), onEvent), onEvent)
  for (const stream of lines) steps.follow({ stream })
  steps.end('done')
  const short = events.map((event) => {
    if (event.kind === 'step') return `${event.step} ${event.state} ${event.name}`
    return event.kind === 'log' ? `${event.step} ${event.stream} ${event.text}` : JSON.stringify(event)
  })
  return { short, made: steps.made }
}

test("Docker's classic builder", () => {
  const { short, made } = read(
    ...['Step 1/4 : FROM debian', '\n', ' ---> 111111111111\n'],
    ...['Step 2/4 : COPY a /a', '\n', ' ---> Using cache\n', ' ---> 222222222222\n'],
    ...['Step 3/4 : RUN make', '\n', ' ---> Running in 0f731e0b951f\n'],
    ...['making\n', '\u001b[91mcareful\n\u001b[0m', ' done\n'],
    ...['Removing intermediate container 0f731e0b951f\n', ' ---> 333333333333\n'],
    ...['Step 4/4 : CMD ["x"]', '\n', ' ---> Running in 0f731e0b951a\n', ' ---> 444444444444\n'],
    ...['Successfully built 444444444444\n', 'Successfully tagged app:1\n'],
  )
  expect(short).toEqual([
    ...['1 started [1/4] FROM debian', '1 done [1/4] FROM debian'],
    ...['2 started [2/4] COPY a /a', '2 cached [2/4] COPY a /a'],
    ...['3 started [3/4] RUN make', '3 stdout making', '3 stderr careful', '3 stdout  done'],
    '3 done [3/4] RUN make',
    ...['4 started [4/4] CMD ["x"]', '4 done [4/4] CMD ["x"]'],
  ])
  expect(made).toEqual(['333333333333', '444444444444'])
})

test('Podman', () => {
  const id = 'c611aa93ae60d50a87e0a3f30a70b9c0a4ac2b99bdf44759742b6f5f5152204a'
  const { short, made } = read(
    ...['[1/2] STEP 1/2: FROM scratch\n', '[1/2] STEP 2/2: COPY a /a\n'],
    ...[`--> Using cache ${id}\n`, '--> c611aa93ae6\n'],
    ...['[2/2] STEP 1/2: FROM scratch\n', '[2/2] STEP 2/2: RUN true\n', 'hello\n'],
    ...['[Warning] one or more build args were not consumed: [TARGETARCH TARGETOS TARGETPLATFORM]\n'],
    ...['[Warning] one or more build args were not consumed: [V]\n'],
    ...['COMMIT app\n', '--> 6ea6f4e883b\n', 'Successfully tagged docker.io/app:1\n', `${id}\n`],
    ...['Successfully built c611aa93ae60\n'],
  )
  expect(short).toEqual([
    ...['1 started [1/2] [1/2] FROM scratch', '1 done [1/2] [1/2] FROM scratch'],
    ...['2 started [1/2] [2/2] COPY a /a', '2 cached [1/2] [2/2] COPY a /a'],
    ...['3 started [2/2] [1/2] FROM scratch', '3 done [2/2] [1/2] FROM scratch'],
    ...['4 started [2/2] [2/2] RUN true', '4 stdout hello'],
    '{"kind":"warning","message":"one or more build args were not consumed: [V]"}',
    '4 done [2/2] [2/2] RUN true',
  ])
  expect(made).toEqual(['6ea6f4e883b'])
})

describe('while a base image is pulled', () => {
  test('its layers have their progress', () => {
    const { events, onEvent } = recorder()
    const steps = new ClassicSteps(new BuildSteps(new SecretMask(), onEvent), onEvent)
    steps.follow({ stream: 'Step 1/1 : FROM debian' })
    steps.follow({ id: 'abc', status: 'Downloading', progressDetail: { current: 5, total: 10 } })
    steps.follow({ id: 'abc', status: 'Extracting', progressDetail: {} })
    expect(events.slice(1)).toEqual([{ kind: 'progress', step: 1, part: 'abc', current: 5, total: 10 }])
  })
})

test('text before the first step belongs to none', () => {
  expect(read('hello\n', 'Step 1/1 : FROM scratch').short).toEqual([
    '1 started [1/1] FROM scratch',
    '1 done [1/1] FROM scratch',
  ])
})
