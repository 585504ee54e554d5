import { expect, test } from 'vitest'
import { PassingTag } from '../../../src/operations/push/passing-tag.ts'

const SOURCE = { engineReference: 'app:1', title: 'app:1', repoTags: ['app:1'] } as never

function engineThat(fails: { tag?: Error; untag?: Error } = {}) {
  const calls: string[] = []
  let tagged: () => void = () => {}
  const engine = {
    tagImage: (source: string, target: string) =>
      new Promise<void>((resolve, reject) => {
        tagged = () => {
          calls.push(`tag ${source} ${target}`)
          if (fails.tag) reject(fails.tag)
          else resolve()
        }
      }),
    untagImage: async (target: string) => {
      calls.push(`untag ${target}`)
      if (fails.untag) throw fails.untag
    },
  }
  return { engine, calls, tagged: () => tagged() }
}

test('a tag goes once, and not before it came', async () => {
  const { engine, calls, tagged } = engineThat()
  const tag = new PassingTag(engine, 'r/x:1', () => expect.unreachable())
  const added = tag.add(SOURCE, undefined)
  const removed = Promise.all([tag.remove(), tag.remove()])
  await new Promise((resolve) => setImmediate(resolve))
  expect(calls).toEqual([])
  tagged()
  await Promise.all([added, removed])
  expect(calls).toEqual(['tag app:1 r/x:1', 'untag r/x:1'])
})

test('a tag that may have come although it failed goes too', async () => {
  const { engine, calls, tagged } = engineThat({ tag: new Error('cut') })
  const tag = new PassingTag(engine, 'r/x:1', () => expect.unreachable())
  const added = tag.add(SOURCE, undefined)
  tagged()
  await expect(added).rejects.toThrow('cut')
  await tag.remove()
  expect(calls).toEqual(['tag app:1 r/x:1', 'untag r/x:1'])
})

test('a tag that stays is told of, and fails nothing', async () => {
  const left: string[] = []
  const { engine } = engineThat({ untag: new Error('in use') })
  const tag = new PassingTag(engine, 'r/x:1', ({ message }) => left.push(message))
  await tag.remove()
  await tag.remove()
  expect(left).toEqual(['in use'])
})
