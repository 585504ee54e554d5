/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md#content */
export const LAYOUT_FILE = 'oci-layout'
export const INDEX_FILE = 'index.json'

/** The whole reference, as containerd and Docker write and read it. */
export const NAME_ANNOTATION = 'io.containerd.image.name'
/** https://github.com/opencontainers/image-spec/blob/main/annotations.md: Docker writes the tag, others the reference. */
export const REF_ANNOTATION = 'org.opencontainers.image.ref.name'
