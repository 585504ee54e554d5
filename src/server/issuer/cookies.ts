import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { ISSUER_PATH } from '../identity/issuer.ts'

type Ctx = Pick<ServerContext, 'keys'>

interface CookieOptions {
  readonly path: string
  readonly maxAgeSeconds: number
  readonly secure: boolean
}

const DEVICE = 'imgctl_device'
const DEVICE_SECONDS = 365 * 24 * 3600

export function readCookie(request: FastifyRequest, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim())
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** A cookie that no script can read, and that no other site's form or frame sends. `value` is base64url or a uuid. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  { path, maxAgeSeconds, secure }: CookieOptions,
): void {
  const attributes = ['HttpOnly', 'SameSite=Lax', ...(secure ? ['Secure'] : [])]
  const all = [`${name}=${value}`, `Path=${path}`, `Max-Age=${maxAgeSeconds}`, ...attributes]
  reply.header('set-cookie', all.join('; '))
}

/** Remembers that this browser has logged in as the user: see bucketsOf. */
export function rememberDevice(ctx: Ctx, reply: FastifyReply, userId: string, secure: boolean): void {
  const id = randomUUID()
  const value = `${id}.${ctx.keys.tag('device', `${userId} ${id}`)}`
  setCookie(reply, DEVICE, value, { path: ISSUER_PATH, maxAgeSeconds: DEVICE_SECONDS, secure })
}

/** This browser's id, if it has logged in as the user before. */
export function knownDevice(
  ctx: Ctx,
  request: FastifyRequest,
  userId: string | undefined,
): string | undefined {
  const [id, tag] = readCookie(request, DEVICE)?.split('.') ?? []
  if (!id || !tag || userId === undefined) return undefined
  return sameText(tag, ctx.keys.tag('device', `${userId} ${id}`)) ? id : undefined
}

/** What a form must send back to prove that it is this server's: bound to what the form is for. */
export function csrfToken(ctx: Ctx, subject: string): string {
  return ctx.keys.tag('csrf', subject)
}

export function isCsrfToken(ctx: Ctx, subject: string, sent: string | undefined): boolean {
  return sent !== undefined && sameText(sent, csrfToken(ctx, subject))
}

/** In a time that does not tell how much of it is right. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
