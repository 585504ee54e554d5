import type { ImageState, Reason } from '../../contract/image.ts'
import type { Db, Trx } from '../store/database.ts'

/** What can happen to an image; the names are part of the wire contract (`ImageEvent.type`). */
export type EventType = 'created' | 'state' | 'retry' | 'updated' | 'toggled' | 'moved'

export interface EventRecord {
  readonly imageId: string
  readonly at: number
  readonly type: EventType
  readonly state?: ImageState
  readonly reason?: Reason
  /** Who asked for it, as shown to people; absent for what the server did by itself. */
  readonly actor?: string | null
  readonly digest?: string | null
}

/** Appends to an image's history. Events are never changed, and outlive their image. */
export async function recordEvent(trx: Trx, event: EventRecord): Promise<void> {
  await trx
    .insertInto('image_events')
    .values({
      imageId: event.imageId,
      at: event.at,
      type: event.type,
      state: event.state ?? null,
      reasonJson: event.reason ? JSON.stringify(event.reason) : null,
      actor: event.actor ?? null,
      digest: event.digest ?? null,
    })
    .execute()
}

/** An image that is tried again for years has a long history; the newest entries are what people look for. */
const MAX_EVENTS = 1000

/** The newest events of an image, oldest first. */
export async function listEvents(db: Db, imageId: string) {
  const newest = await db
    .selectFrom('image_events')
    .selectAll()
    .where('imageId', '=', imageId)
    .orderBy('id', 'desc')
    .limit(MAX_EVENTS)
    .execute()
  return newest.reverse()
}
