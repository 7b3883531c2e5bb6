// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "chardev.h"

/* A case that hangs is ended by SIGALRM, which nothing here catches. */
#define CASE_SECONDS	60

void chardev_begin(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
	sigset_t set;
	size_t i;

	/* The end of a shell command would restart what other threads wait in, and do what nobody else woke them for. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (i = 0; argc == 2 && i < count; i++) {
		if (strcmp(tests[i].name, argv[1]) == 0) {
			alarm(CASE_SECONDS);
			cmocka_set_test_filter(argv[1]);
			return;
		}
	}
	fprintf(stderr, "usage: %s CASE, one of\n", argv[0]);
	for (i = 0; i < count; i++)
		fprintf(stderr, "  %s\n", tests[i].name);
	exit(2);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int card_open(unsigned int card, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/duct%u", card);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

uint32_t card_address(unsigned int card)
{
	int fd = card_open(card, O_RDWR);
	struct info info;

	assert_int_equal(ioctl(fd, GET_INFO, &info), 0);
	close(fd);
	return info.address;
}

unsigned long card_counter(unsigned int card, const char *name)
{
	char command[160];
	char line[64] = "";
	FILE *pipe;

	snprintf(command, sizeof(command), "ethtool -S duct%u | awk '$1 == \"%s:\" { print $2 }'", card, name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (!fgets(line, sizeof(line), pipe))
		fail_msg("there is no counter %s", name);
	pclose(pipe);
	return strtoul(line, NULL, 10);
}

void await_counter(unsigned int card, const char *name, unsigned long least)
{
	long end = now_ms() + PATIENCE_MS;
	unsigned long count;

	while ((count = card_counter(card, name)) < least)
		if (now_ms() > end)
			fail_msg("%s is %lu, not %lu", name, count, least);
}

void pattern(uint8_t *data, size_t length, uint32_t seed)
{
	size_t i;

	for (i = 0; i < length; i++)
		data[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8) * 13 + (i >> 12) * 59);
}

void packet_make(struct packet *packet, uint32_t destination, uint32_t length, uint32_t seed)
{
	packet->header = (struct header){ .destination = destination, .length = length };
	pattern(packet->data, length, seed);
}

void packet_send(int fd, uint32_t destination, uint32_t length, uint32_t seed)
{
	static struct packet packet;

	packet_make(&packet, destination, length, seed);
	assert_int_equal(write(fd, &packet, HEADER + length), HEADER + length);
}

void packet_expect(int fd, uint32_t source, uint32_t destination, uint32_t length, uint32_t seed)
{
	static struct packet expected, packet;

	await_events(fd, POLLIN);
	memset(&packet, 0xee, sizeof(packet));
	packet_make(&expected, destination, length, seed);
	assert_int_equal(read(fd, &packet, sizeof(packet)), HEADER + length);
	assert_int_equal(packet.header.source, source);
	assert_int_equal(packet.header.destination, destination);
	assert_int_equal(packet.header.length, length);
	assert_int_equal(packet.header.reserved, 0);
	assert_memory_equal(packet.data, expected.data, length);
	assert_int_equal(packet.data[length], 0xee);
}

void packet_expect_none(int from, int to)
{
	static uint32_t seed = 0xfeed;

	seed++;
	packet_send(from, card_address(1), 29, seed);
	packet_expect(to, card_address(0), card_address(1), 29, seed);
}

void await_events(int fd, short events)
{
	struct pollfd poller = { .fd = fd, .events = events };
	long end = now_ms() + PATIENCE_MS;
	long left = PATIENCE_MS;

	while (left > 0 && (poller.revents & events) != events) {
		poll(&poller, 1, (int)left);
		left = end - now_ms();
	}
	assert_int_equal(poller.revents & events, events);
}

short events_now(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

	assert_true(poll(&poller, 1, 0) >= 0);
	return poller.revents;
}

int filter_ioctl(int fd, unsigned long request, uint32_t mask, uint32_t address)
{
	struct filter filter = { mask, address };

	return ioctl(fd, request, &filter);
}

void filter_add(int fd, uint32_t mask, uint32_t address)
{
	assert_int_equal(filter_ioctl(fd, ADD_MCAST, mask, address), 0);
}

void filter_remove(int fd, uint32_t mask, uint32_t address)
{
	assert_int_equal(filter_ioctl(fd, RM_MCAST, mask, address), 0);
}

void shell(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

void shell_until(const char *format, ...)
{
	long end = now_ms() + PATIENCE_MS;
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	while (system(command) != 0)
		if (now_ms() > end)
			fail_msg("never so: %s", command);
}

static unsigned long packets_sent(unsigned int card)
{
	unsigned long count = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/duct%u/statistics/tx_packets", card);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &count), 1);
	fclose(file);
	return count;
}

/*
 * A token bucket that has nothing left after one large packet, and is filled with one octet a second. That packet has
 * gone, and takes no room any more, when this returns.
 */
void card_stall(unsigned int card, int fd, unsigned int limit)
{
	long end = now_ms() + PATIENCE_MS;
	unsigned long before;

	shell("tc qdisc replace dev duct%u root tbf rate 8bit burst 16500 limit %u", card, limit);
	before = packets_sent(card);
	packet_send(fd, NOBODY, PACKET_MAX, 0);
	while (packets_sent(card) == before)
		if (now_ms() > end)
			fail_msg("duct%u does not send", card);
}

/* What is in the queue goes out with the next frame, whoever sends it. */
void card_release(unsigned int card)
{
	uint8_t frame[60] = { 0x02, 0xdc, 0, 0, 0x0b, 0xad, 0x02, 0, 0, 0, 0, 1, 0x08, 0xff };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	char name[16];

	shell("tc qdisc change dev duct%u root tbf rate 10gbit burst 10mb limit 20000000", card);
	snprintf(name, sizeof(name), "duct%u", card);
	to.sll_ifindex = (int)if_nametoindex(name);
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(frame));
	close(fd);
}

unsigned int card_fill(int fd, uint32_t destination, uint32_t length)
{
	static struct packet packet;
	unsigned int count;

	set_blocking(fd, false);
	for (count = 0; count < 100000; count++) {
		packet_make(&packet, destination, length, count);
		errno = 0;
		if (write(fd, &packet, HEADER + length) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	set_blocking(fd, true);
	return count;
}

void card_down(unsigned int card)
{
	shell("ip link set duct%u down", card);
}

void card_up(unsigned int card)
{
	shell("ip link set duct%u up", card);
}

/* docs/card.md: a write to TXSHIFT while the card is started is out of sequence. */
void card_fail(unsigned int card)
{
	shell("base=$(awk 'NR == 1 { print $1 }' /sys/class/net/duct%u/device/resource); "
	      "busybox devmem $((base + 0x28)) 32 4", card);
	shell_until("grep -q 0 /sys/class/net/duct%u/carrier", card);
}

void card_remove(unsigned int card)
{
	shell("echo 1 >/sys/class/net/duct%u/device/remove", card);
}

void set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK), 0);
}

static void *blocked_run(void *argument)
{
	struct blocked *blocked = argument;

	__atomic_store_n(&blocked->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	errno = 0;
	if (blocked->writes)
		blocked->result = write(blocked->fd, &blocked->packet, HEADER + blocked->packet.header.length);
	else
		blocked->result = read(blocked->fd, &blocked->packet, sizeof(blocked->packet));
	blocked->error = errno;
	return NULL;
}

/* As its "syscall" in /proc tells. */
bool thread_sleeps(pid_t tid, long call, long argument)
{
	unsigned long first = 0;
	char path[64];
	long number = -1;
	int fields;
	FILE *file;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	fields = fscanf(file, "%ld %lx", &number, &first);
	fclose(file);
	return fields == 2 && number == call && (argument == -1 || first == (unsigned long)argument);
}

bool blocked_sleeps(struct blocked *blocked)
{
	return thread_sleeps(__atomic_load_n(&blocked->tid, __ATOMIC_SEQ_CST), blocked->writes ? SYS_write : SYS_read,
			     blocked->fd);
}

void blocked_start(struct blocked *blocked, int fd, bool writes)
{
	long end = now_ms() + PATIENCE_MS;

	blocked->tid = 0;
	blocked->fd = fd;
	blocked->writes = writes;
	assert_int_equal(pthread_create(&blocked->thread, NULL, blocked_run, blocked), 0);
	while (!blocked_sleeps(blocked))
		if (now_ms() > end)
			fail_msg("does not wait");
}

void blocked_ends(struct blocked *blocked, ssize_t result, int error)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_MS / 1000;
	assert_int_equal(pthread_timedjoin_np(blocked->thread, NULL, &end), 0);
	assert_int_equal(blocked->error, error);
	assert_int_equal(blocked->result, result);
}
