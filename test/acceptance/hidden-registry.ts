import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'

/** No name server knows it. */
const HOST = 'registry.vm.test'
/** A key that protects nothing: tests only, self-signed for the host. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgF9c6Brf7k+vU/4lZ
cIFuNbatN+35Qi4/I7YAhOxC9z2hRANCAAT61x/GPQVuuZ9fApCVnWx/q3+mrzvP
mQl+tzMjqzLcBBcl0AC9W/btj3/JNBBYdQVi/tylXgwYRheqlh9Iez63
-----END PRIVATE KEY-----
`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBqjCCAVCgAwIBAgIUeWtbJodMQBly2W9NcPcSJXXNVhEwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcmVnaXN0cnkudm0udGVzdDAgFw0yNjExMjEwNDIxNTJaGA8y
MTI2MTAyODA0MjE1MlowGzEZMBcGA1UEAwwQcmVnaXN0cnkudm0udGVzdDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABPrXH8Y9BW65n18CkJWdbH+rf6avO8+ZCX63
MyOrMtwEFyXQAL1b9u2Pf8k0EFh1BWL+3KVeDBhGF6qWH0h7PrejcDBuMB0GA1Ud
DgQWBBRTWUuFVONzXQMf8yy2cVCaRPzt6jAfBgNVHSMEGDAWgBRTWUuFVONzXQMf
8yy2cVCaRPzt6jAPBgNVHRMBAf8EBTADAQH/MBsGA1UdEQQUMBKCEHJlZ2lzdHJ5
LnZtLnRlc3QwCgYIKoZIzj0EAwIDSAAwRQIhAKzwzJEa0sHlDabPYsyLGS/QZHGZ
Wr6DkPm0Q0TcqTokAiB8MT7prJWdjxTh97eKy+yFqsKm+2pF9ECRVLLswIvG+g==
-----END CERTIFICATE-----
`

export interface HiddenRegistry {
  readonly host: string
  /** For who is to reach it: a proxy that knows the way, and the certificate. */
  readonly env: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

/** A registry under a name that only a proxy finds, with a certificate that nobody trusts: no engine reaches it. */
export async function hiddenRegistry(port: number): Promise<HiddenRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-hidden-'))
  const certificate = join(folder, 'cert.pem')
  await writeFile(certificate, CERTIFICATE)
  const terminator = createTlsServer({ key: KEY, cert: CERTIFICATE }, (client) => {
    const registry = connect(port, '127.0.0.1')
    client.on('error', () => registry.destroy()).pipe(registry)
    registry.on('error', () => client.destroy()).pipe(client)
  })
  const tlsPort = await listen(terminator)
  const proxy = createServer()
  proxy.on('connect', (request, client) => {
    if (request.url !== `${HOST}:443`) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const tls = connect(tlsPort, '127.0.0.1', () => client.write('HTTP/1.1 200 OK\r\n\r\n'))
    client.on('error', () => tls.destroy()).pipe(tls)
    tls.on('error', () => client.destroy()).pipe(client)
  })
  const proxyPort = await listen(proxy)
  return {
    host: HOST,
    env: { HTTPS_PROXY: `http://127.0.0.1:${proxyPort}`, NODE_EXTRA_CA_CERTS: certificate },
    close: async () => {
      terminator.close()
      proxy.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
