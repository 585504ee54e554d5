/** What is looked at: enough that chance makes noise look no less than 7.99 bits, few enough to take 0.1 ms. */
const SAMPLES = 64
const SAMPLE_BYTES = 1024
/** Less than this is too little to judge. */
const MIN_BYTES = SAMPLES * SAMPLE_BYTES
/**
 * Bits per byte. What gzip, zstd, xz or a photograph's encoder made is at 7.99; programs, text and bitmaps are at 5 to 7;
 * below this, gzip still finds 4 % and more in what looks like noise.
 */
const NOISE_BITS = 7.98

/** Whether a compressor would find nothing in these bytes, by the distribution of their values in samples. */
export function isIncompressible(bytes: Uint8Array): boolean {
  if (bytes.length < MIN_BYTES) return false
  const counts = new Uint32Array(256)
  const step = Math.floor(bytes.length / SAMPLES)
  for (let sample = 0; sample < SAMPLES; sample++) {
    const start = sample * step
    for (let i = start; i < start + SAMPLE_BYTES; i++) counts[bytes[i]!]!++
  }
  let bits = 0
  for (const count of counts) {
    if (count === 0) continue
    const share = count / MIN_BYTES
    bits -= share * Math.log2(share)
  }
  return bits >= NOISE_BITS
}
