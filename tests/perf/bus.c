// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: bus [-c CARDS] [-f FILTERS] [-m] [-n MILLISECONDS] [-s SIZE]
 *
 * How fast a ductnet alone is: this process plays the guests, with rings and
 * buffers in their memory, and no virtual machine. The first card sends as
 * much as its ring holds, with doorbells as the driver has them: for what waits
 * when all is done that the card was told of, or when much waits. ductnet has a
 * CPU of its own, if there are two. Prints one line of JSON: packets a second
 * that arrived, what the doorbells were, and memcpy() of the same packets
 * between the same buffers right after.
 */
#include <endian.h>
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "guest_driver.h"

#define SHIFT		8u		/* as the driver has them */
#define SLOTS		(1u << SHIFT)
#define GROUP		0xd0000001u

struct options {
	unsigned int cards;		/* on the bus, 2 to DAEMON_CARDS */
	unsigned int filters;		/* of each receiver, at least 1 */
	bool group;			/* to all the others */
	unsigned int ms;		/* for each of the two measurements */
	uint32_t size;			/* of a payload */
};

struct result {
	uint64_t sent, received, doorbells, signals;
	double seconds, cpu;
};

static struct daemon ductnet;
static struct vfio_client vc[DAEMON_CARDS];
static struct guest_driver gd[DAEMON_CARDS];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct duct_pkt_desc *slot(const struct gd_ring *ring, uint32_t count)
{
	return (void *)(ring->slots + (size_t)(count % SLOTS) *
			ring->desc_size);
}

static bool done(const struct duct_pkt_desc *desc)
{
	return __atomic_load_n(&desc->owner, __ATOMIC_ACQUIRE) ==
	       DUCT_OWNER_HOST;
}

static void publish(struct duct_pkt_desc *desc)
{
	__atomic_store_n(&desc->owner, DUCT_OWNER_CARD, __ATOMIC_RELEASE);
}

/* Every transmit slot is filled in once; from then on only OWNER changes. */
static void fill_tx(const struct options *opt)
{
	uint32_t dst = opt->group ? GROUP : gd[1].hwaddr;

	for (uint32_t i = 0; i < SLOTS; i++) {
		struct duct_pkt_desc *desc = slot(&gd[0].tx, i);

		desc->length[0] = htole32(opt->size);
		desc->pointer[0] = htole64(gd[0].tx.buffers +
					   (uint64_t)i * DUCT_PACKET_MAX);
		desc->dst = htole32(dst);
		memset(vc[0].mem + le64toh(desc->pointer[0]), (int)i,
		       opt->size);
	}
}

/* The exact filter that lets packets in comes behind the others. */
static void add_filters(struct guest_driver *card, const struct options *opt)
{
	uint32_t last = opt->group ? GROUP : card->hwaddr;
	uint8_t status;

	if (gd_command(card, DUCT_CMD_FLUSHFILT, 0, 0, &status))
		errx(1, "FLUSHFILT failed");
	for (unsigned int i = 1; i < opt->filters; i++)
		if (gd_command(card, DUCT_CMD_ADDFILT, 0xffffffff,
			       0x80000100 + i, &status) || status)
			errx(1, "ADDFILT failed");
	if (gd_command(card, DUCT_CMD_ADDFILT, 0xffffffff, last, &status) ||
	    status)
		errx(1, "ADDFILT failed");
}

/* Moves this process to the @n-th CPU that it may run on, or to the only one. */
static void move_to_cpu(const cpu_set_t *usable, int n)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	n %= CPU_COUNT(usable);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, usable) && !n--)
			CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
}

static void set_up(const struct options *opt)
{
	cpu_set_t usable;

	if (sched_getaffinity(0, sizeof(usable), &usable))
		err(1, "sched_getaffinity");
	move_to_cpu(&usable, 1);	/* where ductnet is going to stay */
	if (daemon_prepare(&ductnet) || daemon_start(&ductnet, opt->cards, ""))
		errx(1, "ductnet does not start: %s", ductnet.log);
	move_to_cpu(&usable, 0);
	for (unsigned int i = 0; i < opt->cards; i++) {
		if (vc_open(&vc[i], gd_memory(SHIFT)) ||
		    vc_attach(&vc[i], ductnet.path[i]) ||
		    gd_setup(&gd[i], &vc[i], SHIFT) || gd_start(&gd[i]))
			errx(1, "card %u does not start", i);
		add_filters(&gd[i], opt);
	}
	fill_tx(opt);
}

static uint64_t receive(struct guest_driver *card)
{
	uint64_t count = 0;

	while (count < SLOTS && done(slot(&card->rx, card->rx.tail))) {
		publish(slot(&card->rx, card->rx.tail++));
		count++;
	}
	return count;
}

/* Hands over what the slowest receiver has slots for. */
static uint64_t send_some(struct guest_driver *card, uint64_t room)
{
	uint64_t count = 0;

	while (card->tx.tail != card->tx.head &&
	       done(slot(&card->tx, card->tx.tail)))
		card->tx.tail++;
	while (count < room && card->tx.head - card->tx.tail < SLOTS) {
		publish(slot(&card->tx, card->tx.head++));
		count++;
	}
	return count;
}

/* Does the card have to be told? @told: what it was told of, tx.head then. */
static bool is_due(const struct guest_driver *card, uint32_t told)
{
	return (card->tx.head != card->tx.tail &&
		(int32_t)(told - card->tx.tail) <= 0) ||
	       card->tx.head - told >= SLOTS / 4;
}

static void ring_doorbell(const struct guest_driver *card)
{
	uint32_t value = htole32(DUCT_DBELL_TX |
				 ((card->tx.head - 1) % SLOTS));

	if (vc_post(card->vc, 0, DUCT_DBELL, &value, sizeof(value)))
		errx(1, "no doorbell");
}

static double daemon_cpu(void)
{
	char path[64], *line = NULL;
	unsigned long user = 0, system = 0;
	size_t room = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", ductnet.pid);
	stat = fopen(path, "r");
	if (stat && getline(&line, &room, stat) > 0)
		sscanf(strrchr(line, ')') + 1,
		       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		       &user, &system);
	if (stat)
		fclose(stat);
	free(line);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static struct result run_bus(const struct options *opt)
{
	unsigned int last = opt->group ? opt->cards - 1 : 1;
	uint64_t got[DAEMON_CARDS] = { 0 };
	struct result result = { .cpu = -daemon_cpu() };
	double start = now(), end = start + 1e-3 * opt->ms;
	uint32_t told = gd[0].tx.head;

	while (now() < end) {
		uint64_t slowest = UINT64_MAX;

		for (unsigned int i = 1; i <= last; i++) {
			uint64_t count = receive(&gd[i]);

			got[i] += count;
			result.received += count;
			slowest = got[i] < slowest ? got[i] : slowest;
		}
		result.sent += send_some(&gd[0],
					 SLOTS - (result.sent - slowest));
		if (!is_due(&gd[0], told))
			continue;
		told = gd[0].tx.head;
		result.doorbells++;
		ring_doorbell(&gd[0]);
	}
	result.seconds = now() - start;
	result.cpu += daemon_cpu();
	for (unsigned int i = 0; i < opt->cards; i++)
		result.signals += vc_poll_event(&vc[i], DUCT_VECTOR_EVENT);
	return result;
}

/* Return: packets a second. */
static double run_memcpy(const struct options *opt)
{
	double start = now(), end = start + 1e-3 * opt->ms;
	uint64_t count = 0;

	while (now() < end) {
		for (uint32_t i = 0; i < SLOTS; i++) {
			memcpy(vc[1].mem + gd[1].rx.buffers +
			       (uint64_t)i * DUCT_PACKET_MAX,
			       vc[0].mem + gd[0].tx.buffers +
			       (uint64_t)i * DUCT_PACKET_MAX, opt->size);
			__asm__ volatile("" ::: "memory");
		}
		count += SLOTS;
	}
	return (double)count / (now() - start);
}

static void print(const struct options *opt, const struct result *result,
		  double copies)
{
	double rate = (double)result->received / result->seconds;

	printf("{\"size\": %u, \"cards\": %u, \"filters\": %u, \"group\": %s, "
	       "\"sent\": %llu, \"packets_per_s\": %.0f, \"bytes_per_s\": %.0f, "
	       "\"packets_per_doorbell\": %.2f, \"packets_per_signal\": %.2f, "
	       "\"ductnet_cpu\": %.3f, \"memcpy_per_s\": %.0f, "
	       "\"of_memcpy\": %.3f}\n",
	       opt->size, opt->cards, opt->filters, opt->group ? "true" : "false",
	       (unsigned long long)result->sent, rate, rate * opt->size,
	       (double)result->sent / (double)result->doorbells,
	       (double)result->received / (double)result->signals,
	       result->cpu / result->seconds, copies, rate / copies);
}

static unsigned int number(const char *text, unsigned int low,
			   unsigned int high)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value < low || value > high)
		errx(2, "%s: not a number from %u to %u", text, low, high);
	return (unsigned int)value;
}

int main(int argc, char **argv)
{
	struct options opt = { .cards = 2, .filters = 1, .ms = 1000,
			       .size = 64 };
	struct result result;
	int c;

	while ((c = getopt(argc, argv, "c:f:mn:s:")) != -1) {
		switch (c) {
		case 'c':
			opt.cards = number(optarg, 2, DAEMON_CARDS);
			break;
		case 'f':
			opt.filters = number(optarg, 1, DUCT_FILTERS);
			break;
		case 'm':
			opt.group = true;
			break;
		case 'n':
			opt.ms = number(optarg, 1, 60000);
			break;
		case 's':
			opt.size = number(optarg, 1, DUCT_PACKET_MAX);
			break;
		default:
			return 2;
		}
	}
	set_up(&opt);
	result = run_bus(&opt);
	if (!result.received || !result.doorbells || !result.signals)
		errx(1, "nothing arrived, or nobody was told");
	print(&opt, &result, run_memcpy(&opt));
	for (unsigned int i = 0; i < opt.cards; i++)
		vc_close(&vc[i]);
	daemon_stop(&ductnet);
	daemon_cleanup(&ductnet);
	return 0;
}
