// SPDX-License-Identifier: GPL-2.0-only
#include "duct_text.h"

#include <err.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEX_DIGITS	"0123456789abcdefABCDEF"
#define DEC_DIGITS	"0123456789"
#define ADDR_DIGITS	8
#define NUMBER_DIGITS	9
#define NS_DIGITS	9
#define NS_PER_S	1000000000u
#define TOP_BIT		0x80000000u

bool duct_parse_addr(const char *text, uint32_t *addr)
{
	size_t len;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	len = strspn(text, HEX_DIGITS);
	if (len < 1 || len > ADDR_DIGITS || text[len])
		return false;
	*addr = (uint32_t)strtoul(text, NULL, 16);
	return true;
}

bool duct_parse_group(const char *text, struct duct_mcast_arg *group)
{
	const char *slash = strchr(text, '/');
	char mask[sizeof("0x") + ADDR_DIGITS];
	struct duct_mcast_arg got;

	if (!slash || (size_t)(slash - text) >= sizeof(mask))
		return false;
	memcpy(mask, text, (size_t)(slash - text));
	mask[slash - text] = '\0';
	if (!duct_parse_addr(mask, &got.duct_mask) ||
	    !duct_parse_addr(slash + 1, &got.duct_addr) ||
	    !(got.duct_mask & got.duct_addr & TOP_BIT))
		return false;
	*group = got;
	return true;
}

bool duct_parse_count(const char *text, uint32_t *count)
{
	size_t len = strspn(text, DEC_DIGITS);

	if (len < 1 || len > NUMBER_DIGITS || text[len])
		return false;
	*count = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

/* By hand: strtod() takes the locale's comma, and inf. */
bool duct_parse_seconds(const char *text, uint64_t *ns)
{
	size_t whole = strspn(text, DEC_DIGITS);
	const char *fraction = text + whole;
	size_t digits = 0;
	uint64_t value;

	if (*fraction == '.') {
		fraction++;
		digits = strspn(fraction, DEC_DIGITS);
	}
	if (whole + digits < 1 || whole > NUMBER_DIGITS || fraction[digits])
		return false;
	value = whole ? strtoul(text, NULL, 10) : 0;
	for (size_t i = 0; i < NS_DIGITS; i++)
		value = value * 10 +
			(i < digits ? (uint64_t)(fraction[i] - '0') : 0);
	*ns = value;
	return true;
}

bool duct_parse_device(const char *text, char *path, size_t size)
{
	uint32_t number;
	int len;

	if (!*text)
		return false;
	if (strchr(text, '/'))
		len = snprintf(path, size, "%s", text);
	else if (duct_parse_count(text, &number))
		len = snprintf(path, size, "/dev/duct%u", number);
	else
		len = snprintf(path, size, "/dev/%s", text);
	return len >= 0 && (size_t)len < size;
}

/* Octets behind the first one, and what the first one says of the value. */
static size_t utf8_lead(uint8_t lead, uint32_t *value)
{
	if (lead < 0x80) {
		*value = lead;
		return 0;
	}
	if ((lead & 0xe0) == 0xc0) {
		*value = lead & 0x1f;
		return 1;
	}
	if ((lead & 0xf0) == 0xe0) {
		*value = lead & 0x0f;
		return 2;
	}
	*value = lead & 0x07;
	return 3;
}

/* One character. Return: its octets, 0 if this is not UTF-8. */
static size_t utf8_next(const uint8_t *text, size_t len, uint32_t *value)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	size_t more;

	/* 0x80 to 0xbf lead nothing, 0xf8 to 0xff stand for nothing */
	if (!len || (text[0] & 0xc0) == 0x80 || text[0] >= 0xf8)
		return 0;
	more = utf8_lead(text[0], value);
	if (more >= len)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*value = *value << 6 | (text[i] & 0x3f);
	}
	if (*value < least[more] || *value > 0x10ffff ||
	    (*value >= 0xd800 && *value <= 0xdfff))
		return 0;
	return more + 1;
}

/* Controls, and format characters that make text look like another one. */
static bool is_unsafe(uint32_t value)
{
	static const struct {
		uint32_t first, last;
	} unsafe[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad },
		{ 0x61c, 0x61c }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
		{ 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		if (value >= unsafe[i].first && value <= unsafe[i].last)
			return true;
	}
	return false;
}

void duct_put_text(FILE *out, const void *text, size_t len, bool utf8)
{
	const uint8_t *at = text, *end = at + len;

	while (at < end) {
		uint32_t value;
		size_t octets = utf8_next(at, (size_t)(end - at), &value);
		bool good = octets && (utf8 || value < 0x80) &&
			    (!is_unsafe(value) || value == '\n' ||
			     value == '\t');

		if (!octets)
			octets = 1;
		if (good)
			fwrite(at, 1, octets, out);
		else
			for (size_t i = 0; i < octets; i++)
				fprintf(out, "\\x%02x", at[i]);
		at += octets;
	}
	if (!len || end[-1] != '\n')
		putc('\n', out);
}

bool duct_is_utf8(const void *text, size_t len)
{
	const uint8_t *at = text;

	while (len) {
		uint32_t value;
		size_t octets = utf8_next(at, len, &value);

		if (!octets)
			return false;
		at += octets;
		len -= octets;
	}
	return true;
}

/* \uHHHH, twice for what has more than 16 bits. */
static void put_json_escape(FILE *out, uint32_t value)
{
	if (value >= 0x10000) {
		value -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800 | value >> 10,
			0xdc00 | (value & 0x3ff));
	} else {
		fprintf(out, "\\u%04x", value);
	}
}

void duct_put_json(FILE *out, const void *text, size_t len)
{
	const uint8_t *at = text;

	putc('"', out);
	while (len) {
		uint32_t value;
		size_t octets = utf8_next(at, len, &value);

		if (!octets)
			break;
		if (value == '"' || value == '\\')
			fprintf(out, "\\%c", (int)value);
		else if (value == '\n')
			fputs("\\n", out);
		else if (value == '\t')
			fputs("\\t", out);
		else if (is_unsafe(value))
			put_json_escape(out, value);
		else
			fwrite(at, 1, octets, out);
		at += octets;
		len -= octets;
	}
	putc('"', out);
}

void duct_put_json_hex(FILE *out, const void *data, size_t len)
{
	const uint8_t *octet = data;

	putc('"', out);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", octet[i]);
	putc('"', out);
}

bool duct_is_terminal(FILE *out)
{
	return isatty(fileno(out));
}

bool duct_locale_is_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

void duct_put_payload(FILE *out, const void *payload, size_t len)
{
	if (duct_is_terminal(out))
		duct_put_text(out, payload, len, duct_locale_is_utf8());
	else
		fwrite(payload, 1, len, out);
}

bool duct_refuse(const char *text, const char *why)
{
	warnx("%s: %s", text, why);
	return false;
}

bool duct_flush(FILE *out)
{
	if (!fflush(out) && !ferror(out))
		return true;
	warn("cannot write the output");
	return false;
}
