/* SPDX-License-Identifier: GPL-2.0-only */
/* What people type and read: arguments, safe output, JSON. No device here. */
#ifndef DUCT_TEXT_H
#define DUCT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/duct.h>

#define DUCT_DEVICE_DEFAULT	"duct0"

/* Exit status of the tools. */
enum duct_exit {
	DUCT_EXIT_OK = 0,
	DUCT_EXIT_FAILED = 1,
	DUCT_EXIT_USAGE = 2,
	DUCT_EXIT_TIMEOUT = 3,
};

/**
 * duct_parse_addr() - understand a Ductnet address
 * @text: 1 to 8 hexadecimal digits, with or without 0x, and nothing else
 * @addr: filled only if @text is one
 *
 * Return: whether @text is one.
 */
bool duct_parse_addr(const char *text, uint32_t *addr);

/**
 * duct_parse_group() - understand a group, MASK/ADDR
 * @text: two addresses, both with the top bit set
 * @group: filled only if @text is one
 *
 * Return: whether @text is one.
 */
bool duct_parse_group(const char *text, struct duct_mcast_arg *group);

/**
 * duct_parse_seconds() - understand a time
 * @text: decimal seconds below 10^9, with or without a fraction after a point
 * @ns: the time in nanoseconds, what is finer is cut off; filled only if @text
 *      is a time
 *
 * Return: whether @text is one.
 */
bool duct_parse_seconds(const char *text, uint64_t *ns);

/* A decimal number below 10^9. Return: whether @text is one. */
bool duct_parse_count(const char *text, uint32_t *count);

/**
 * duct_parse_device() - find the device that is meant
 * @text: a path (with a slash), a number (0 is /dev/duct0) or a name in /dev
 * @path: filled with the path
 * @size: bytes at @path
 *
 * Return: false if @text is empty or too long.
 */
bool duct_parse_device(const char *text, char *path, size_t size);

/**
 * duct_put_text() - show what a remote station said, on a terminal
 * @out: where to
 * @text: any octets
 * @len: how many
 * @utf8: the terminal shows UTF-8
 *
 * Newlines and tabs go through. All other control characters, those that turn
 * the direction of text, and what is not UTF-8 appear as \xHH for each octet.
 * A newline is added if there is none at the end.
 */
void duct_put_text(FILE *out, const void *text, size_t len, bool utf8);

/* Whether all of it is UTF-8. */
bool duct_is_utf8(const void *text, size_t len);

/* A JSON string, quotes included. @text must be UTF-8. */
void duct_put_json(FILE *out, const void *text, size_t len);

/* A JSON string of two hexadecimal digits an octet, quotes included. */
void duct_put_json_hex(FILE *out, const void *data, size_t len);

/* Whether what goes to @out is shown by a terminal. */
bool duct_is_terminal(FILE *out);

/* Whether the locale is one of UTF-8; setlocale() comes first. */
bool duct_locale_is_utf8(void);

/**
 * duct_put_payload() - print a payload for whoever reads it
 * @out: a terminal gets duct_put_text(), anything else the octets as they are
 * @payload: any octets
 * @len: how many
 */
void duct_put_payload(FILE *out, const void *payload, size_t len);

/* Says on stderr why @text is not accepted. Return: false. */
bool duct_refuse(const char *text, const char *why);

/* Writes out what is buffered. Return: false if it failed, and said so. */
bool duct_flush(FILE *out);

#endif /* DUCT_TEXT_H */
