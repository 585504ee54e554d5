import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import { type Html, html } from './html.ts'
import { command, layout } from './layout.ts'

/** What the codes of RFC 6749, section 4.1.2.1 and OpenID Connect mean to a person. */
const MEANINGS: Readonly<Record<string, string>> = {
  invalid_client: 'The program that sent you here is not known to this server.',
  invalid_redirect_uri:
    'The program that sent you here wants the answer at a place that it may not have it at.',
  invalid_request: 'The request that brought you here is incomplete or was changed.',
  invalid_target: 'The program that sent you here asks for access to another server.',
  access_denied: 'The login was cancelled.',
  server_error: 'The server failed. Its log has the cause.',
}

/** For errors that must not go back to the program, because it is not known whether it is the right one. */
export function issuerErrorPage(context: KoaContextWithOIDC, out: ErrorOut): void {
  context.type = 'html'
  context.body = errorPage({
    title: 'The login cannot go on',
    message: MEANINGS[out.error] ?? 'The request that brought you here cannot be answered.',
    detail: [out.error, out.error_description].filter(Boolean).join(': '),
  })
}

/** Says what happened, and how to begin again. */
export function errorPage(problem: { title: string; message: string; detail?: string; next?: Html }): string {
  return layout({
    title: problem.title,
    mark: 'failed',
    lead: problem.message,
    content: html`${problem.next ?? html`<p>Begin again:</p>${command('imgctl login')}`}
${problem.detail === undefined ? undefined : html`<p class="note">Details: ${problem.detail}</p>`}`,
  })
}
