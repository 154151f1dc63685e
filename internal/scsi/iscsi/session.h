// The part of the transport that must be C: libiscsi's callbacks, and its event loop with a deadline and a wake-up.
#ifndef TAPECTL_ISCSI_SESSION_H
#define TAPECTL_ISCSI_SESSION_H

#include <stddef.h>
#include <stdint.h>

// How an operation ended. Everything but ANSWERED leaves a session that can only be closed.
enum {
	SESSION_ANSWERED = 0, // status (and for a command the rest) is filled in
	SESSION_NOT_SENT = 1, // the library did not take the operation
	SESSION_TIMEOUT = 2,
	SESSION_WOKEN = 3, // wake became readable
	SESSION_LOST = 4,
};

struct iscsi_context;
struct scsi_task;

// One session. It has one user at a time.
struct session {
	struct iscsi_context *context;
	int wake; // a descriptor that ends a wait when it becomes readable

	// The operation in flight. The library may call back as late as in iscsi_destroy_context.
	int done;
	int result; // the library's status
	struct scsi_task *task;

	uint8_t *data; // the transport's buffer, page aligned
	size_t size;

	uint8_t cdb[16];
	int status;
	int64_t residual;
	int sense_length;
	uint8_t sense[252];
};

struct session *session_new(const char *initiator, const char *target, uint32_t isid, uint32_t qualifier, int wake);
int session_credentials(struct session *, const char *user, const char *password);
int session_connect(struct session *, const char *portal, int64_t timeout_ms);
int session_login(struct session *, int64_t timeout_ms);
void session_logout(struct session *, int64_t timeout_ms);
int session_reserve(struct session *, size_t size);
int session_command(struct session *, int lun, int cdb_length, int direction, int length, int64_t timeout_ms);
int session_idle(struct session *);
const char *session_error(struct session *);
const char *session_redirect(struct session *);
void session_free(struct session *);

#endif
