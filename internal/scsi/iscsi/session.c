//go:build libiscsi

#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

enum { PAGE = 4096, MAX_WAIT_MS = 1000 };

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void ended(struct iscsi_context *context, int status, void *data, void *private)
{
	struct session *s = private;
	(void)context;
	(void)data;
	if (s->done)
		return; // the library reports the end of the connection to its first callback, too
	s->done = 1;
	s->result = status;
}

// wait_done runs the library until the operation ended. What arrived is looked at before the wake-up and the clock, so
// that an answer that is there counts.
static int wait_done(struct session *s, int64_t timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	while (!s->done) {
		struct pollfd p[2] = {
			{.fd = iscsi_get_fd(s->context), .events = (short)iscsi_which_events(s->context)},
			{.fd = s->wake, .events = POLLIN},
		};
		int64_t left = deadline - now_ms();

		if (p[0].fd < 0)
			return SESSION_LOST;
		if (left > MAX_WAIT_MS)
			left = MAX_WAIT_MS;
		if (poll(p, 2, left > 0 ? (int)left : 0) < 0) {
			if (errno == EINTR)
				continue;
			return SESSION_LOST;
		}
		if (iscsi_service(s->context, p[0].revents) < 0 && !s->done)
			return SESSION_LOST;
		if (s->done)
			break;
		if (p[1].revents)
			return SESSION_WOKEN;
		if (left <= 0)
			return SESSION_TIMEOUT;
	}
	return SESSION_ANSWERED;
}

static void begin(struct session *s)
{
	s->done = 0;
	s->result = 0;
}

struct session *session_new(const char *initiator, const char *target, uint32_t isid, uint32_t qualifier, int wake)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->wake = wake;
	s->context = iscsi_create_context(initiator);
	if (s->context == NULL) {
		free(s);
		return NULL;
	}
	iscsi_set_log_level(s->context, 0);
	// The library would send what is in flight a second time over a new session.
	iscsi_set_noautoreconnect(s->context, 1);
	// Deadlines are kept here, to the millisecond; the library's own would leave the task to late DATA-OUT.
	iscsi_set_timeout(s->context, 0);
	if (iscsi_set_session_type(s->context, ISCSI_SESSION_NORMAL) || iscsi_set_targetname(s->context, target) ||
	    iscsi_set_isid_random(s->context, isid & 0xFFFFFF, qualifier & 0xFFFF)) {
		session_free(s);
		return NULL;
	}
	return s;
}

int session_credentials(struct session *s, const char *user, const char *password)
{
	return iscsi_set_initiator_username_pwd(s->context, user, password);
}

int session_connect(struct session *s, const char *portal, int64_t timeout_ms)
{
	begin(s);
	if (iscsi_connect_async(s->context, portal, ended, s))
		return SESSION_NOT_SENT;
	return wait_done(s, timeout_ms);
}

int session_login(struct session *s, int64_t timeout_ms)
{
	int r;

	begin(s);
	if (iscsi_login_async(s->context, ended, s))
		return SESSION_NOT_SENT;
	r = wait_done(s, timeout_ms);
	if (r == SESSION_ANSWERED && s->result == SCSI_STATUS_GOOD)
		iscsi_set_tcp_keepalive(s->context, 30, 3, 10);
	return r;
}

void session_logout(struct session *s, int64_t timeout_ms)
{
	begin(s);
	if (iscsi_get_fd(s->context) >= 0 && iscsi_logout_async(s->context, ended, s) == 0)
		wait_done(s, timeout_ms);
}

int session_reserve(struct session *s, size_t size)
{
	void *p;

	if (size <= s->size)
		return 0;
	size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
	if (posix_memalign(&p, PAGE, size))
		return -1;
	free(s->data);
	s->data = p;
	s->size = size;
	return 0;
}

// answer copies what the device said out of the task.
static void answer(struct session *s)
{
	struct scsi_task *t = s->task;

	s->status = s->result;
	s->residual = 0;
	if (t->residual_status == SCSI_RESIDUAL_UNDERFLOW)
		s->residual = (int64_t)t->residual;
	else if (t->residual_status == SCSI_RESIDUAL_OVERFLOW)
		s->residual = -(int64_t)t->residual;
	s->sense_length = 0;
	// Behind two bytes of length stands the sense data as the device sent it (RFC 7143 11.4.7.2); the parsed form of
	// the library lacks INFORMATION and the flags.
	if (s->status == SCSI_STATUS_CHECK_CONDITION && t->datain.data != NULL && t->datain.size > 2) {
		int n = t->datain.data[0] << 8 | t->datain.data[1];

		if (n > t->datain.size - 2)
			n = t->datain.size - 2;
		if (n > (int)sizeof s->sense)
			n = sizeof s->sense;
		memcpy(s->sense, t->datain.data + 2, n);
		s->sense_length = n;
	}
}

int session_command(struct session *s, int lun, int cdb_length, int direction, int length, int64_t timeout_ms)
{
	int r;

	if (length == 0)
		direction = SCSI_XFER_NONE;
	begin(s);
	s->task = scsi_create_task(cdb_length, s->cdb, direction, length);
	if (s->task == NULL)
		return SESSION_NOT_SENT;
	// With a buffer of our own the data survives the sense data that comes with it.
	if ((direction == SCSI_XFER_READ && scsi_task_add_data_in_buffer(s->task, length, s->data)) ||
	    (direction == SCSI_XFER_WRITE && scsi_task_add_data_out_buffer(s->task, length, s->data)))
		return SESSION_NOT_SENT;
	if (iscsi_scsi_command_async(s->context, lun, s->task, ended, NULL, s))
		return SESSION_NOT_SENT;
	r = wait_done(s, timeout_ms);
	if (r != SESSION_ANSWERED)
		return r; // the library still knows the task: session_free
	if (s->result < 0 || s->result > 0xFF)
		return SESSION_LOST; // CANCELLED, ERROR, TIMEOUT
	answer(s);
	scsi_free_scsi_task(s->task);
	s->task = NULL;
	return SESSION_ANSWERED;
}

// session_idle lets the library answer the target's pings.
int session_idle(struct session *s)
{
	for (int i = 0; i < 16; i++) {
		struct pollfd p = {.fd = iscsi_get_fd(s->context), .events = (short)iscsi_which_events(s->context)};

		if (p.fd < 0)
			return SESSION_LOST;
		if (poll(&p, 1, 0) < 0)
			return errno == EINTR ? SESSION_ANSWERED : SESSION_LOST;
		if (p.revents == 0)
			break;
		if (iscsi_service(s->context, p.revents) < 0)
			return SESSION_LOST;
	}
	return iscsi_get_fd(s->context) < 0 || !iscsi_is_logged_in(s->context) ? SESSION_LOST : SESSION_ANSWERED;
}

const char *session_error(struct session *s) { return iscsi_get_error(s->context); }

const char *session_redirect(struct session *s)
{
	const char *a = iscsi_get_target_address(s->context);

	return s->result == SCSI_STATUS_REDIRECT && a != NULL ? a : "";
}

// session_free drops the connection first: only then does nothing refer to the task and the buffer any more.
void session_free(struct session *s)
{
	iscsi_destroy_context(s->context);
	if (s->task != NULL)
		scsi_free_scsi_task(s->task);
	free(s->data);
	free(s);
}
