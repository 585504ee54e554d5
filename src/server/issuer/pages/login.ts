import { html } from './html.ts'
import { alert, layout } from './layout.ts'

export interface LoginPage {
  /** The host that people know the server by. */
  readonly host: string
  readonly csrf: string
  /** What was typed before. */
  readonly login?: string | undefined
  readonly problem?: string | undefined
}

/** Asks who it is. The form goes to the page's own address. */
export function loginPage({ host, csrf, login = '', problem }: LoginPage): string {
  const wrong = problem === undefined ? undefined : html`aria-invalid="true" aria-describedby="problem"`
  return layout({
    title: 'Log in',
    lead: html`to <strong>${host}</strong>`,
    content: html`${problem === undefined ? undefined : alert(problem)}
<form method="post">
<input type="hidden" name="csrf" value="${csrf}">
<label for="login">User name</label>
<input type="text" id="login" name="login" value="${login}" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="100" ${wrong} ${login === '' ? html`autofocus` : undefined}>
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password" required maxlength="512" ${wrong} ${login === '' ? undefined : html`autofocus`}>
<div class="actions">
<button type="submit" name="action" value="login">Log in</button>
<button type="submit" name="action" value="deny" class="plain" formnovalidate>Cancel</button>
</div>
</form>
<p class="note">No password yet, or forgotten? The person who runs this server makes a setup link: <code>imgctl serve user passwd NAME</code></p>`,
  })
}
