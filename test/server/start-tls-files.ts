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

/** The pair that replaces it. */
const RENEWED_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgh8CJeHTniLTz+1jg
N5RbcYQdOTsWWdSEx/OKcQy6SamhRANCAASF3DNyW0jLkHIxe+Nnm5kJbncWl7v+
Alia5axySPn6UrydNv3idI+2+C1uXsxUzppmN0goxDm8uUWi+4LaOodn
-----END PRIVATE KEY-----
`
const RENEWED_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIULh29lhEwwuO2rNAJqa47GvD9oF4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA0MjgxNFoYDzIxMjYxMDI4
MDQyODE0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASF3DNyW0jLkHIxe+Nnm5kJbncWl7v+Alia5axySPn6UrydNv3idI+2
+C1uXsxUzppmN0goxDm8uUWi+4LaOodno28wbTAdBgNVHQ4EFgQUqxXML+74IF6u
2UWJCGWEGrLikPswHwYDVR0jBBgwFoAUqxXML+74IF6u2UWJCGWEGrLikPswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAK0q3H+mSuq/4+QCkPye+EQpZ+qFxKRfuik5osJxoNpiAiEA
5dPqpOIaf4HvaiM2TnPi60/uPiEVqROrH9LBxUcR/VA=
-----END CERTIFICATE-----
`

/** @param renewed another pair for the same host */
export async function writeTlsFiles(
  folder: string,
  renewed = false,
): Promise<{ certFile: string; keyFile: string }> {
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  await writeFile(files.certFile, renewed ? RENEWED_CERTIFICATE : CERTIFICATE)
  await writeFile(files.keyFile, renewed ? RENEWED_KEY : KEY)
  return files
}
