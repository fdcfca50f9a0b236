/* file.h - files that are read and replaced as a whole.
 *
 * Owns:   nothing; descriptors are closed on every path.
 * Bounds: what is read, by the buffer.
 * Errors: CPX_EIO with errno set; CPX_EINVAL for what is no regular file; those of the buffer.
 * Blocks on the disk.
 */
#ifndef CPX_BASE_FILE_H
#define CPX_BASE_FILE_H

#include "base/buf.h"

#include <sys/types.h>

/* Appends a regular file's bytes. Memory that held a part of them is not moved while they fit in what fstat says. */
CPX_MUST_CHECK int cpx_file_read(const char *path, cpx_buf *out);
/* Writes `temporary`, syncs it and renames it to `path`: at any time that has its old or its new content. `temporary`
 * is on the same file system and nobody else's; what lies there is removed, not followed, and nothing stays of it after
 * a failure. The folder is not synced. */
CPX_MUST_CHECK int cpx_file_replace(const char *temporary, const char *path, mode_t mode, cpx_slice bytes);

#endif
