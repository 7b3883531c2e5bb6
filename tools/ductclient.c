// SPDX-License-Identifier: GPL-2.0-only
/* Asks the well-known stations of Ductnet, echo and quote: ductclient(1). */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duct_client.h"
#include "duct_text.h"

#define ECHO_ADDR	0x0000ec60u
#define QUOTE_ADDR	0x0000beefu
#define TIMEOUT_NS	3000000000u
#define RETRIES		2

static const char usage[] =
"usage: ductclient -q [-a ADDR] [-t SECONDS] [-r RETRIES] [-d DEVICE]\n"
"       ductclient -e [-a ADDR] [-t SECONDS] [-r RETRIES] [-d DEVICE]\n"
"\n"
"Asks a station on Ductnet, through the character device of a duct card.\n"
"\n"
"  -q, --quote            print a quote of the day\n"
"  -e, --echo             send each line of standard input to the echo\n"
"                         station, and print what comes back\n"
"\n"
"  -a, --address ADDR     ask this station, in hexadecimal; default: 0000beef\n"
"                         for a quote, 0000ec60 for an echo\n"
"  -t, --timeout SECONDS  wait so long for each reply; default: 3\n"
"  -r, --retries RETRIES  ask again so many times; default: 2\n"
"  -d, --device DEVICE    a path, a name (duct0, default), or a number (0)\n"
"  -h, --help             this text\n"
"  -V, --version          the version\n"
"\n"
"Exit status: 0 done, 1 failed, 2 wrong usage, 3 no reply.\n";

/* The command line. */
struct request {
	char mode;			/* 'q', 'e', or 0 */
	char path[PATH_MAX];
	bool addressed;
	struct duct_question question;
};

static const struct option longopts[] = {
	{ "quote", no_argument, NULL, 'q' },
	{ "echo", no_argument, NULL, 'e' },
	{ "address", required_argument, NULL, 'a' },
	{ "timeout", required_argument, NULL, 't' },
	{ "retries", required_argument, NULL, 'r' },
	{ "device", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static bool set_address(struct request *request, const char *text)
{
	request->addressed = true;
	if (!duct_parse_addr(text, &request->question.station))
		return duct_refuse(text, "not an address of 1 to 8 hexadecimal digits");
	if (request->question.station & DUCT_ADDR_MCAST)
		return duct_refuse(text, "a group's address; only a station answers");
	return true;
}

static bool set_option(struct request *request, int opt, const char *text)
{
	struct duct_question *question = &request->question;

	switch (opt) {
	case 'q':
	case 'e':
		if (request->mode && request->mode != opt) {
			warnx("-q and -e exclude each other");
			return false;
		}
		request->mode = (char)opt;
		return true;
	case 'a':
		return set_address(request, text);
	case 't':
		return (duct_parse_seconds(text, &question->timeout_ns) &&
			question->timeout_ns) ||
		       duct_refuse(text, "not a number of seconds above 0");
	case 'r':
		return duct_parse_count(text, &question->retries) ||
		       duct_refuse(text, "not a number of retries");
	case 'd':
		return duct_parse_device(text, request->path,
					 sizeof(request->path)) ||
		       duct_refuse(text, "not a device");
	default:
		return false;		/* getopt_long() has said why */
	}
}

/* Return: whether there is something to do; else *@status is how to exit. */
static bool understand(struct request *request, int argc, char *argv[],
		       int *status)
{
	bool good = true;
	int opt;

	*request = (struct request){
		.question = { .timeout_ns = TIMEOUT_NS, .retries = RETRIES },
	};
	duct_parse_device(DUCT_DEVICE_DEFAULT, request->path,
			  sizeof(request->path));
	while (good && (opt = getopt_long(argc, argv, "qea:t:r:d:hV", longopts,
					  NULL)) != -1) {
		if (opt == 'h' || opt == 'V') {
			fputs(opt == 'h' ? usage :
			      "ductclient " DUCT_VERSION "\n", stdout);
			*status = duct_flush(stdout) ? DUCT_EXIT_OK :
						       DUCT_EXIT_FAILED;
			return false;
		}
		good = set_option(request, opt, optarg);
	}
	if (good && optind < argc)
		good = duct_refuse(argv[optind], "not an option");
	if (good && request->mode)
		return true;
	if (good)
		warnx("nothing to do: give -q or -e");
	fputs("Try ductclient --help.\n", stderr);
	*status = DUCT_EXIT_USAGE;
	return false;
}

/* Asks, and says what went wrong. Return: how to exit. */
static int ask(struct duct_client *client, const struct duct_question *question,
	       struct duct_packet *answer)
{
	int err = duct_ask(client, question, answer);

	if (!err)
		return DUCT_EXIT_OK;
	if (err != -ETIMEDOUT) {
		duct_complain(client, "cannot ask", err);
		return DUCT_EXIT_FAILED;
	}
	warnx("%s: no reply from %08x, asked %u times", client->path,
	      question->station, question->retries + 1);
	return DUCT_EXIT_TIMEOUT;
}

static int quote(struct duct_client *client, struct duct_question *question)
{
	static struct duct_packet answer;
	uint32_t len;
	int status;

	status = ask(client, question, &answer);
	if (status)
		return status;
	len = answer.hdr.dpkt_length;
	duct_put_payload(stdout, answer.payload, len);
	/* A terminal's text has its newline already. */
	if (!duct_is_terminal(stdout) &&
	    (!len || answer.payload[len - 1] != '\n'))
		putchar('\n');
	return duct_flush(stdout) ? DUCT_EXIT_OK : DUCT_EXIT_FAILED;
}

/*
 * A line, or as much of it as fits into a packet.
 * Return: false at the end of input; *@ends: the line ends with this.
 */
static bool read_piece(FILE *in, uint8_t *piece, size_t *len, bool *ends)
{
	int c = EOF;

	*len = 0;
	while (*len < DUCT_PAYLOAD_MAX && (c = getc(in)) != EOF && c != '\n')
		piece[(*len)++] = (uint8_t)c;
	if (!*len && c == EOF)
		return false;
	/* Of a line that fills the packet the end is still to be seen. */
	if (*len == DUCT_PAYLOAD_MAX) {
		c = getc(in);
		if (c != EOF && c != '\n')
			ungetc(c, in);
	}
	*ends = c == '\n' || c == EOF;
	return true;
}

static void put_piece(const uint8_t *piece, size_t len, bool ends)
{
	if (duct_is_terminal(stdout)) {
		duct_put_text(stdout, piece, len, duct_locale_is_utf8());
	} else {
		fwrite(piece, 1, len, stdout);
		if (ends)
			putchar('\n');
	}
}

static int echo(struct duct_client *client, struct duct_question *question)
{
	static uint8_t piece[DUCT_PAYLOAD_MAX];
	static struct duct_packet answer;
	int status;
	bool ends;

	question->echo = true;
	question->payload = piece;
	while (read_piece(stdin, piece, &question->len, &ends)) {
		status = ask(client, question, &answer);
		if (status)
			return status;
		put_piece(answer.payload, answer.hdr.dpkt_length, ends);
		if (!duct_flush(stdout))
			return DUCT_EXIT_FAILED;
	}
	if (ferror(stdin)) {
		warn("cannot read standard input");
		return DUCT_EXIT_FAILED;
	}
	return DUCT_EXIT_OK;
}

int main(int argc, char *argv[])
{
	struct duct_client client;
	struct request request;
	int status, err;

	duct_begin();
	if (!understand(&request, argc, argv, &status))
		return status;
	if (!request.addressed)
		request.question.station = request.mode == 'q' ? QUOTE_ADDR :
								 ECHO_ADDR;
	err = duct_open(&client, request.path, O_RDWR);
	if (err) {
		duct_complain(&client, "cannot open", err);
		return DUCT_EXIT_FAILED;
	}
	status = request.mode == 'q' ? quote(&client, &request.question) :
				       echo(&client, &request.question);
	duct_close(&client);
	return status;
}
