// Exit code 0 when the imgctl server on this machine can serve requests. PORT when it is not 7700.
import http from 'node:http'
import https from 'node:https'

const TIMEOUT_MS = 5_000
const port = Number(process.env.PORT ?? 7700)

/** The certificate is for the name that clients use, not for this address. */
const options = {
  host: '127.0.0.1',
  port,
  path: '/api/health/ready',
  rejectUnauthorized: false,
  timeout: TIMEOUT_MS,
}

function isReady(client) {
  return new Promise((resolve) => {
    const request = client.get(options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
    request.on('timeout', () => request.destroy())
  })
}

const ready = (await isReady(http)) || (await isReady(https))
process.exit(ready ? 0 : 1)
