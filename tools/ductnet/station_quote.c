// SPDX-License-Identifier: GPL-2.0-only
#include "station_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct quote {
	uint8_t *text;
	uint32_t len;
};

struct quoter {
	struct station station;
	struct quote *quote;
	size_t count;
	size_t next;			/* each in its turn */
};

static const char *const built_in[] = {
	"A packet that was never sent is never lost.",
	"Count twice, interrupt once.",
	"The owner byte is written last, and that makes all the difference.",
	"Every ring ends where it began.",
	"What you can not name, you can not ping.",
	"Whoever waits without a bound waits for himself.",
	"Nothing is as fast as the copy that was not made.",
	"All stations hear it; few are spoken to.",
};

static int answer(struct station *station, unsigned int slot,
		  const struct bus_packet *packet, struct station_reply *reply)
{
	struct quoter *quoter = (struct quoter *)station;
	const struct quote *quote = &quoter->quote[quoter->next];

	(void)slot;
	(void)packet;			/* nobody reads the question */
	quoter->next = (quoter->next + 1) % quoter->count;
	reply->data = quote->text;
	reply->len = quote->len;
	return 0;
}

static void destroy(struct station *station)
{
	struct quoter *quoter = (struct quoter *)station;

	for (size_t i = 0; i < quoter->count; i++)
		free(quoter->quote[i].text);
	free(quoter->quote);
}

/* Return: false without memory. */
static bool add(struct quoter *quoter, const char *text, size_t len)
{
	struct quote *more = reallocarray(quoter->quote, quoter->count + 1,
					  sizeof(*more));

	if (!more)
		return false;
	quoter->quote = more;
	more += quoter->count;
	more->text = malloc(len);
	if (!more->text)
		return false;
	memcpy(more->text, text, len);
	more->len = (uint32_t)len;
	quoter->count++;
	return true;
}

static bool add_built_in(struct quoter *quoter)
{
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		if (!add(quoter, built_in[i], strlen(built_in[i])))
			return false;
	}
	return true;
}

static size_t without_newline(const char *line, size_t len)
{
	if (len && line[len - 1] == '\n')
		len--;
	if (len && line[len - 1] == '\r')
		len--;
	return len;
}

static bool read_lines(struct quoter *quoter, FILE *file, const char *path,
		       char *err, size_t err_size)
{
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	bool ok = true;
	ssize_t got;

	errno = 0;
	while (ok && (got = getline(&line, &size, file)) >= 0) {
		size_t len = without_newline(line, (size_t)got);

		number++;
		if (len > DUCT_PACKET_MAX) {
			snprintf(err, err_size,
				 "%s: line %u is longer than %d bytes", path,
				 number, DUCT_PACKET_MAX);
			ok = false;
		} else if (len && !add(quoter, line, len)) {
			snprintf(err, err_size, "no memory for the quotes");
			ok = false;
		}
	}
	if (ok && ferror(file)) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		ok = false;
	}
	free(line);
	return ok;
}

static bool read_file(struct quoter *quoter, const char *path, char *err,
		      size_t err_size)
{
	FILE *file = fopen(path, "re");
	bool ok;

	if (!file) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return false;
	}
	ok = read_lines(quoter, file, path, err, err_size);
	fclose(file);
	if (ok && !quoter->count) {
		snprintf(err, err_size, "%s: no quotes in there", path);
		ok = false;
	}
	return ok;
}

struct station *station_quote_new(struct bus *bus, const char *path, char *err,
				  size_t err_size)
{
	struct station *station = station_new(bus, sizeof(struct quoter),
					      "quote", STATION_QUOTE_ADDR);
	struct quoter *quoter = (struct quoter *)station;

	snprintf(err, err_size, "no memory for the quote station");
	if (!station)
		return NULL;
	station->answer = answer;
	station->destroy = destroy;
	if (path ? read_file(quoter, path, err, err_size) :
		   add_built_in(quoter))
		return station;
	station_free(station);
	return NULL;
}
