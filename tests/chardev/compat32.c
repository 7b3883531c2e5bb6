// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: compat32 DEVICE OTHER-DEVICE
 *
 * A program of 32 bits, made without a C library of 32 bits: what it does is in its exit status, 0 or the number of the
 * step that failed. The devices are two cards on one Ductnet.
 */

#define SYS_EXIT	1
#define SYS_READ	3
#define SYS_WRITE	4
#define SYS_OPEN	5
#define SYS_IOCTL	54
#define SYS_READV	145
#define SYS_WRITEV	146
#define SYS_POLL	168

#define O_RDWR		2
#define ENOENT		2
#define EINVAL		22
#define ENOTTY		25

#define GET_INFO	0x800c7a00
#define ADD_MCAST	0x40087a01
#define RM_MCAST	0x40087a02
#define GROUP		0x80001234

struct pollfd {
	int fd;
	short events;
	short revents;
};

struct iovec {
	void *base;
	unsigned int length;
};

struct packet {
	unsigned int source;
	unsigned int destination;
	unsigned int length;
	unsigned int reserved;
	unsigned char data[64];
};

_Static_assert(sizeof(void *) == 4, "a program of 32 bits");

static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile ("int $0x80" : "=a" (result) : "a" (number), "b" (a), "c" (b), "d" (c) : "memory");
	return result;
}

static _Noreturn void leave(int status)
{
	for (;;)
		call(SYS_EXIT, status, 0, 0);
}

static void step(int number, int good)
{
	if (!good)
		leave(number);
}

static void await(int number, int fd)
{
	struct pollfd poll = { fd, 1, 0 };

	step(number, call(SYS_POLL, (long)&poll, 1, 10000) == 1 && poll.revents == 1);
}

static int same(const unsigned char *a, const unsigned char *b, unsigned int length)
{
	while (length--)
		if (*a++ != *b++)
			return 0;
	return 1;
}

static void packets(long from, long to, const unsigned int *own, const unsigned int *other)
{
	static struct packet sent, got;
	struct iovec out[] = { { &sent, 20 }, { sent.data + 4, 36 } };
	struct iovec in[] = { { &got, 7 }, { (char *)&got + 7, sizeof(got) - 7 } };
	int i;

	for (i = 0; i < 40; i++)
		sent.data[i] = (unsigned char)(i * 3 + 1);
	sent.source = 77;
	sent.destination = other[2];
	sent.length = 40;
	step(20, call(SYS_WRITE, from, (long)&sent, 56) == 56);
	await(21, to);
	step(22, call(SYS_READ, to, (long)&got, sizeof(got)) == 56);
	step(23, got.source == own[2] && got.destination == other[2] && got.length == 40 && got.reserved == 0);
	step(24, same(got.data, sent.data, 40));
	step(25, call(SYS_WRITE, from, (long)&sent, 55) == -EINVAL);

	sent.destination = GROUP;
	step(26, call(SYS_WRITEV, from, (long)out, 2) == 56);
	await(27, to);
	got.length = 0;
	step(28, call(SYS_READV, to, (long)in, 2) == 56);
	step(29, got.destination == GROUP && got.length == 40 && same(got.data, sent.data, 40));
}

static void run(char **argv)
{
	unsigned int own[3] = { 0 }, other[3] = { 0 }, filter[2] = { 0xffffffff, GROUP }, bad[2] = { 1, GROUP };
	long from = call(SYS_OPEN, (long)argv[1], O_RDWR, 0);
	long to = call(SYS_OPEN, (long)argv[2], O_RDWR, 0);

	step(1, from >= 0 && to >= 0);
	step(2, call(SYS_IOCTL, from, (long)GET_INFO, (long)own) == 0);
	step(3, call(SYS_IOCTL, to, (long)GET_INFO, (long)other) == 0);
	step(4, own[0] == 2 && own[1] == 1 && own[2] && own[2] != other[2]);
	step(5, call(SYS_IOCTL, to, (long)ADD_MCAST, (long)filter) == 0);
	step(6, call(SYS_IOCTL, to, (long)ADD_MCAST, (long)bad) == -EINVAL);
	packets(from, to, own, other);
	step(7, call(SYS_IOCTL, to, (long)RM_MCAST, (long)filter) == 0);
	step(8, call(SYS_IOCTL, to, (long)RM_MCAST, (long)filter) == -ENOENT);
	step(9, call(SYS_IOCTL, to, 0x7a03, 0) == -ENOTTY);
}

/* The stack has argc, and then argv. */
__attribute__((used)) static _Noreturn void begin(long *stack)
{
	if (stack[0] != 3)
		leave(99);
	run((char **)(stack + 1));
	leave(0);
}

__asm__(".globl _start\n_start:\n\tmov %esp, %eax\n\tand $-16, %esp\n\tsub $12, %esp\n\tpush %eax\n\tcall begin\n");
