// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread waits for all sockets. What they bring is handled and answered
 * first; then the bus runs in rounds, with a look at the sockets after each.
 * When all is done it polls sockets and cards for a while before it sleeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "card.h"
#include "duct_ether.h"
#include "guest_mem.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "pace.h"
#include "station.h"
#include "vfio_user.h"

/* A card and the socket it is plugged in by. */
struct port {
	struct card card;
	struct guest_mem *mem;
	struct vfio_user *vu;
};

struct ductnet {
	struct options options;
	struct loop *loop;
	struct pace pace;
	struct bus bus;
	struct station *echo;
	struct station *quote;
	unsigned int ports;
	struct port port[OPTIONS_CARDS];
	struct loop_source signals;	/* fd -1: none */
	bool stop;
};

static uint64_t port_read(void *device, uint32_t offset, unsigned int size)
{
	struct port *port = device;

	return card_read(&port->card, offset, size);
}

static void port_write(void *device, uint32_t offset, unsigned int size,
		       uint64_t value)
{
	struct port *port = device;

	card_write(&port->card, offset, size, value);
}

static void port_reset(void *device)
{
	struct port *port = device;

	card_reset(&port->card);
}

static void port_signal(void *ctx, unsigned int vector)
{
	struct port *port = ctx;

	vfio_user_signal(port->vu, vector);
}

static const struct vfio_user_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.reset = port_reset,
};

static const struct vfio_user_ident port_ident = {
	.vendor = DUCT_PCI_VENDOR,
	.device = DUCT_PCI_DEVICE,
	.class = DUCT_PCI_CLASS,
	.bar0_size = DUCT_BAR_SIZE,
	.vectors = DUCT_VECTORS,
};

static bool port_open(struct ductnet *net, const struct options_card *option)
{
	struct port *port = &net->port[net->ports];
	struct card_host host = { .signal = port_signal, .ctx = port };
	uint8_t mac[DUCT_MAC_LEN];
	char err[256];

	port->mem = guest_mem_new();
	if (!port->mem) {
		log_error("card %s: no memory", option->path);
		return false;
	}
	card_init(&port->card, &net->bus, option->path, option->hwaddr,
		  option->signal, &host, port->mem);
	port->vu = vfio_user_new(net->loop, option->path, &port_ident,
				 &port_ops, port, port->mem, err, sizeof(err));
	if (!port->vu) {
		log_error("card %s: %s", option->path, err);
		card_detach(&port->card);
		guest_mem_free(port->mem);
		return false;
	}
	net->ports++;
	duct_mac_from_addr(mac, option->hwaddr);
	log_info("card %s: address %08" PRIx32 ", MAC %02x:%02x:%02x:%02x:%02x:%02x, listening",
		 option->path, option->hwaddr, mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return true;
}

static void port_close(struct port *port)
{
	vfio_user_free(port->vu);
	card_detach(&port->card);
	guest_mem_free(port->mem);
}

static void print_port(const struct port *port, FILE *out)
{
	const struct vfio_user_counters *count = vfio_user_counters(port->vu);

	card_print(&port->card, out);
	fprintf(out, "  connected: %s\n",
		vfio_user_connected(port->vu) ? "yes" : "no");
	fprintf(out, "  clients: %" PRIu64 "\n", count->clients);
	fprintf(out, "  refused: %" PRIu64 "\n", count->refused);
	fprintf(out, "  messages: %" PRIu64 "\n", count->messages);
	fprintf(out, "  message_errors: %" PRIu64 "\n", count->errors);
	fprintf(out, "  broken: %" PRIu64 "\n", count->broken);
	fprintf(out, "  signals_sent: %" PRIu64 "\n", count->signals_sent);
	fprintf(out, "  signals_latched: %" PRIu64 "\n",
		count->signals_latched);
}

static void print_bus(const struct bus_counters *count, FILE *out)
{
	fprintf(out, "bus:\n");
	fprintf(out, "  packets: %" PRIu64 "\n", count->packets);
	fprintf(out, "  bytes: %" PRIu64 "\n", count->bytes);
	fprintf(out, "  deliveries: %" PRIu64 "\n", count->deliveries);
	fprintf(out, "  delivered_bytes: %" PRIu64 "\n",
		count->delivered_bytes);
	fprintf(out, "  copied_bytes: %" PRIu64 "\n", count->copied_bytes);
	fprintf(out, "  unclaimed: %" PRIu64 "\n", count->unclaimed);
	fprintf(out, "  rounds: %" PRIu64 "\n", count->rounds);
}

/* In one go, so that a reader of the log sees it whole. */
static void print_state(const struct ductnet *net)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		log_error("no memory to print the state");
		return;
	}
	for (unsigned int i = 0; i < net->ports; i++)
		print_port(&net->port[i], out);
	station_print(net->echo, out);
	station_print(net->quote, out);
	print_bus(&net->bus.counters, out);
	fprintf(out, "end of state\n");
	if (!fclose(out))
		fwrite(text, 1, size, stderr);
	free(text);
}

static void signals_ready(struct loop_source *source, uint32_t events)
{
	struct ductnet *net = (struct ductnet *)((char *)source -
				offsetof(struct ductnet, signals));
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			print_state(net);
		else
			net->stop = true;
	}
}

static bool signals_open(struct ductnet *net)
{
	sigset_t set;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	net->signals.ready = signals_ready;
	net->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (net->signals.fd < 0) {
		log_error("signalfd: %s", strerror(errno));
		return false;
	}
	ret = loop_add(net->loop, &net->signals, EPOLLIN);
	if (ret) {
		log_error("epoll: %s", strerror(-ret));
		close(net->signals.fd);
		net->signals.fd = -1;
		return false;
	}
	return true;
}

static bool ductnet_open(struct ductnet *net)
{
	char err[256];
	int ret;

	net->signals.fd = -1;
	pace_ask_scheduler();
	pace_init(&net->pace, net->options.busy_poll_us);
	bus_init(&net->bus);
	net->bus.hold_us = net->options.tx_usecs;
	net->loop = loop_new();
	if (!net->loop) {
		log_error("epoll: %s", strerror(errno));
		return false;
	}
	if (!signals_open(net))
		return false;
	ret = guest_mem_catch_sigbus();
	if (ret) {
		log_error("SIGBUS: %s", strerror(-ret));
		return false;
	}
	net->echo = station_echo_new(&net->bus);
	if (!net->echo) {
		log_error("no memory for the echo station");
		return false;
	}
	net->quote = station_quote_new(&net->bus, net->options.quotes, err,
				       sizeof(err));
	if (!net->quote) {
		log_error("%s", err);
		return false;
	}
	for (unsigned int i = 0; i < net->options.cards; i++) {
		if (!port_open(net, &net->options.card[i]))
			return false;
	}
	return true;
}

/* The inverse, from wherever ductnet_open() got to. */
static void ductnet_close(struct ductnet *net)
{
	while (net->ports)
		port_close(&net->port[--net->ports]);
	station_free(net->quote);
	station_free(net->echo);
	if (net->signals.fd >= 0) {
		loop_del(net->loop, &net->signals);
		close(net->signals.fd);
	}
	if (net->loop)
		loop_free(net->loop);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * One turn, that waits for work for up to @wait_us, -1 = as long as it takes.
 * Return: how long the next one may wait, or -2 on error.
 */
static int64_t ductnet_turn(struct ductnet *net, int64_t wait_us)
{
	int served = loop_once(net->loop, wait_us);
	bool found, left, poll;

	if (served < 0) {
		log_error("epoll: %s", strerror(-served));
		return -2;
	}
	net->bus.now_us = now_us();
	found = bus_look(&net->bus);
	left = bus_run(&net->bus);
	if (left)
		return 0;
	poll = pace_turn(&net->pace, net->bus.now_us, served || found);
	if (poll && !served && !found) {
		sched_yield();
		poll = pace_yielded(&net->pace, net->bus.now_us, now_us());
	}
	if (poll)
		return 0;
	if (net->bus.held)
		return net->bus.hold_us;
	return -1;
}

static int ductnet_run(struct ductnet *net)
{
	int64_t wait_us = 0;

	while (!net->stop && wait_us >= -1)
		wait_us = ductnet_turn(net, wait_us);
	return net->stop ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	static struct ductnet net;
	int status = EXIT_FAILURE;

	switch (options_parse(&net.options, argc, argv, stdout, stderr)) {
	case OPTIONS_RUN:
		log_set_level(net.options.log_level);
		if (ductnet_open(&net)) {
			log_info("ready");
			status = ductnet_run(&net);
		}
		ductnet_close(&net);
		break;
	case OPTIONS_DONE:
		status = EXIT_SUCCESS;
		break;
	case OPTIONS_USAGE:
		status = 2;
		break;
	}
	options_free(&net.options);
	return status;
}
