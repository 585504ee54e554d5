import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A key that protects nothing: tests only, self-signed for localhost. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgb3zUzJGJiCVsOtZ9
Vp8QcsTXfdkxYOkmQuVnoH4Htq2hRANCAATTJVpuTCVYRi9hDQg8CQZeyTROj+Ww
X9lTk+ZxFa0+ulmKwKld6D/nS87gj82DSpXMKEWO9nfRsEvp9tIxspzC
-----END PRIVATE KEY-----
`
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUYaksYrM/r73JNlm0rP3Oi6edmtkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAwNTE0OFoYDzIxMjYxMDI4
MDA1MTQ4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATTJVpuTCVYRi9hDQg8CQZeyTROj+WwX9lTk+ZxFa0+ulmKwKld6D/n
S87gj82DSpXMKEWO9nfRsEvp9tIxspzCo28wbTAdBgNVHQ4EFgQUuIJKWO/sbIhp
VJbLSHjWqO1XQn8wHwYDVR0jBBgwFoAUuIJKWO/sbIhpVJbLSHjWqO1XQn8wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgSGbNnWbzXQJ7exSKi9lfIRW7Np8akBiyOTEp1svhi7YCIQDY
kiu5MDQGdbqCN7Ap9riXmYT57wXbW4+3zgeClnLptQ==
-----END CERTIFICATE-----
`

export async function writeTlsFiles(folder: string): Promise<{ certFile: string; keyFile: string }> {
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  await writeFile(files.certFile, CERTIFICATE)
  await writeFile(files.keyFile, KEY)
  return files
}
