import { afterAll, beforeAll } from 'vitest'
import { distribution, ownServer, type Place } from './place.ts'
import { archiveSource, engineSource, type Source } from './source.ts'
import type { Route } from './trip.ts'

export const PLACES = ['imgctl serve', 'CNCF distribution'] as const
export const SOURCES = ['an archive', 'a classic engine'] as const

export type PlaceName = (typeof PLACES)[number]
export type SourceName = (typeof SOURCES)[number]

/** Both registries and both sources, for the tests of one file. */
export function routes(): (source: SourceName, place: PlaceName, via?: Route['via']) => Route {
  const places = {} as Record<PlaceName, Place>
  const sources = {} as Record<SourceName, Source>
  beforeAll(async () => {
    places['imgctl serve'] = await ownServer()
    places['CNCF distribution'] = await distribution()
    sources['an archive'] = await archiveSource()
    sources['a classic engine'] = await engineSource()
  })
  afterAll(async () => {
    await Promise.all(Object.values(sources).map((source) => source.remove()))
    await Promise.all(Object.values(places).map((place) => place.stop()))
  })
  return (source, place, via = 'direct') => ({ source: sources[source], place: places[place], via })
}

/** Every way from a source to a registry. */
export const WAYS = SOURCES.flatMap((source) => PLACES.map((place) => [source, place] as const))
