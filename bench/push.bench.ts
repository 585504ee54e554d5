import { startServices, stopServices } from '../test/services/index.ts'
import { benchOptions } from './options.ts'
import { Arena, docker } from './push/arena.ts'
import { contest } from './push/contest.ts'
import { byArchive, byEngine, byLayout, bySkopeo, compressed } from './push/contestants.ts'
import { CUT_EVERY_BYTES, cutConnections, cutToDistribution, cutToOwnServer } from './push/cut.ts'
import { pushGoals } from './push/goals.ts'
import { imageSet } from './push/image-set.ts'
import { toOwnServer } from './push/own-server.ts'
import { progressCost } from './push/progress.ts'
import { printResults, type Row, writeResults } from './results.ts'

/** Of a quick run, whose images are smaller than what is cut otherwise. */
const QUICK_CUT_BYTES = 10_000_000

/**
 * Goals: the table at the end of the design of push. Options: `--quick` pushes small images, which shows that all
 * works and no goal; `--only PART,...` of classic, containerd, archive, others, cut, progress; `--rounds N`; `--json FILE`.
 * Linux, as root, with docker's client. Needs 8 GB in the cache folder of the test services and as much in /tmp.
 */
export default async function push(args: string[]): Promise<void> {
  const { quick, rounds, json, only } = benchOptions(args, { rounds: 1 })
  const log = (line: string) => console.error(line)
  const images = await imageSet(quick, log)
  const mixed = images.find(({ name }) => name === 'mixed')!
  const { description } = await startServices({ only: ['dockerClassic', 'dockerContainerd', 'tools'], log })
  const arena = await Arena.open(description.runFolder)
  const cutEvery = quick ? QUICK_CUT_BYTES : CUT_EVERY_BYTES
  const parts: Record<string, () => Promise<Row[]>> = {
    classic: async () => {
      const { dockerHost } = available(description.dockerClassic)
      docker(dockerHost, 'load', '--quiet', '--input', mixed.archive)
      const contestants = byEngine(arena, mixed, dockerHost)
      const peers = async () => [...(await contestants()), bySkopeo(mixed, dockerHost)]
      return contest(arena, 'classic store', mixed, peers, { rounds, later: ['unchanged', 'changed'] })
    },
    containerd: async () => {
      const { dockerHost } = available(description.dockerContainerd)
      docker(dockerHost, 'load', '--quiet', '--input', await compressed(mixed))
      const peers = byEngine(arena, mixed, dockerHost)
      return contest(arena, 'containerd store', mixed, peers, { rounds, later: ['unchanged', 'changed'] })
    },
    archive: async () => {
      const options = { rounds, later: ['unchanged'] } as const
      const layout = await compressed(mixed)
      return [
        ...(await contest(arena, 'archive', mixed, byArchive(arena, mixed.archive), options)),
        ...(await contest(arena, 'layout', mixed, byLayout(arena, layout), options)),
        ...(await toOwnServer(mixed)),
      ]
    },
    others: async () => {
      const rows: Row[] = []
      for (const image of images.filter(({ name }) => name !== 'mixed')) {
        const peers = byArchive(arena, image.archive)
        rows.push(...(await contest(arena, `archive ${image.name}`, image, peers, { rounds, later: [] })))
      }
      return rows
    },
    cut: async () => {
      const layout = await compressed(mixed)
      return [
        ...(await cutConnections('archive', cutToDistribution(arena, mixed, mixed.archive), cutEvery)),
        ...(await cutConnections('layout', cutToDistribution(arena, mixed, layout), cutEvery)),
        ...(await cutConnections('archive to imgctl serve', cutToOwnServer(mixed, mixed.archive), cutEvery)),
        ...(await cutConnections('layout to imgctl serve', cutToOwnServer(mixed, layout), cutEvery)),
      ]
    },
    progress: () => progressCost(arena, mixed, rounds),
  }
  const rows: Row[] = []
  try {
    for (const [name, run] of Object.entries(parts)) {
      if (only && !only.includes(name)) continue
      log(name)
      rows.push(...(await run()))
    }
  } finally {
    await arena.close()
    await stopServices()
  }
  const title = quick ? 'push --quick (small images: no goal is judged)' : 'push'
  const results = { title, rows, goals: quick ? [] : pushGoals(rows) }
  printResults(results)
  if (json) writeResults(json, results)
}

/** @throws when this machine cannot have the service */
function available<A extends { available: boolean }>(service: A): Extract<A, { available: true }> {
  if (!service.available) throw new Error('reason' in service ? String(service.reason) : 'not available')
  return service as Extract<A, { available: true }>
}
