// SPDX-License-Identifier: GPL-2.0-only
/* ductctl and ductclient as they are run, as far as that needs no card. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duct_text.h"
#include "unit.h"

static char out_text[8192], err_text[8192];

static void slurp(FILE *file, char *text, size_t size)
{
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

/* A shell command, with nothing on standard input. Return: exit status. */
static int shell(const char *command)
{
	FILE *out = tmpfile(), *err = tmpfile();
	int status;
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, STDIN_FILENO);
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(err), STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	slurp(out, out_text, sizeof(out_text));
	slurp(err, err_text, sizeof(err_text));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The same with a command that begins with one of the tools. */
static int run(const char *line)
{
	const char *bin = getenv("DUCT_TOOLS");
	char command[512];

	snprintf(command, sizeof(command), "%s/%s", bin ? bin : "build/bin",
		 line);
	return shell(command);
}

static void assert_run(const char *line, int status, const char *says)
{
	int got = run(line);

	if (got != status || !strstr(err_text, says))
		fail_msg("\"%s\": exit status %d, %s", line, got, err_text);
	assert_string_equal(out_text, "");
}

static void assert_refused(const char *line, const char *says)
{
	assert_run(line, DUCT_EXIT_USAGE, says);
	assert_non_null(strstr(err_text, "--help."));
}

static void help_and_version(void **state)
{
	static const char *const help[] = {
		"ductctl --help", "ductctl -h", "ductclient --help",
		"ductclient -h", "ductctl -s 1 --help",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(help); i++) {
		assert_int_equal(run(help[i]), DUCT_EXIT_OK);
		assert_int_equal(strncmp(out_text, "usage: duct", 11), 0);
		assert_non_null(strstr(out_text, "Exit status:"));
		assert_string_equal(err_text, "");
	}
	assert_int_equal(run("ductctl --version"), DUCT_EXIT_OK);
	assert_string_equal(out_text, "ductctl " DUCT_VERSION "\n");
	assert_int_equal(run("ductclient -V"), DUCT_EXIT_OK);
	assert_string_equal(out_text, "ductclient " DUCT_VERSION "\n");
}

static void ductctl_usage(void **state)
{
	(void)state;
	assert_refused("ductctl -x", "invalid option");
	assert_refused("ductctl --nonsense", "unrecognized option");
	assert_refused("ductctl -d", "requires an argument");
	assert_refused("ductctl duct0", "duct0: not an option");
	assert_refused("ductctl -s 1 hello", "hello: not an option");
	assert_refused("ductctl -d ''", "not a device");
	assert_refused("ductctl -s 1 -r", "exclude each other");
	assert_refused("ductctl -r -i", "exclude each other");
	assert_refused("ductctl -s 1 -s 2", "given twice");
	assert_refused("ductctl -s 0x", "not an address");
	assert_refused("ductctl -s 123456789", "not an address");
	assert_refused("ductctl -s beefy", "not an address");
	assert_refused("ductctl -s -1", "not an address");
	assert_refused("ductctl -r -t 1s", "not a number of seconds");
	assert_refused("ductctl -r -t -1", "not a number of seconds");
	assert_refused("ductctl -r -n -1", "not a number of packets");
	assert_refused("ductctl -r -m 80000000", "not MASK/ADDR");
	assert_refused("ductctl -r -m 80000000/1", "not MASK/ADDR");
	assert_refused("ductctl -r $(printf ' -m 80000000/%x' $(seq 2147483648 2147483680))",
		       "more than 32 groups");
	assert_refused("ductctl -n 2", "go with -r only");
	assert_refused("ductctl -s 1 -m 80000000/80000000", "go with -r only");
	assert_refused("ductctl -i -t 1", "goes with -s and -r only");
	assert_refused("ductctl -s 1 -j", "goes with -i and -r only");
}

static void ductclient_usage(void **state)
{
	(void)state;
	assert_refused("ductclient", "give -q or -e");
	assert_refused("ductclient -x", "invalid option");
	assert_refused("ductclient -q -e", "exclude each other");
	assert_refused("ductclient -q hello", "hello: not an option");
	assert_refused("ductclient -q -a", "requires an argument");
	assert_refused("ductclient -q -a xyz", "not an address");
	assert_refused("ductclient -e -a 80000001", "a group's address");
	assert_refused("ductclient -q -t 0", "not a number of seconds");
	assert_refused("ductclient -q -t", "requires an argument");
	assert_refused("ductclient -q -r x", "not a number of retries");
	assert_refused("ductclient -q -d ''", "not a device");
}

static void no_device(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "ductctl -d 9999", "/dev/duct9999: cannot open: no such device" },
		{ "ductctl -d nowhere -r", "/dev/nowhere: cannot open" },
		{ "ductctl -s 1 -d /nowhere/duct0", "/nowhere/duct0: cannot" },
		{ "ductclient -q -d 9999", "/dev/duct9999: cannot open" },
		{ "ductctl -d null", "/dev/null: cannot open: not a duct device" },
		{ "ductclient -e -d /dev/zero", "not a duct device" },
		{ "ductctl -d /tmp", "not a duct device" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_run(cases[i].line, DUCT_EXIT_FAILED, cases[i].says);
}

/* What is no duct device keeps what is in it. */
static void writes_nothing_to_a_file(void **state)
{
	char path[] = "/tmp/duct-tools-XXXXXX", line[128], text[64] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	snprintf(line, sizeof(line), "ductctl -s 1 -d %s", path);
	assert_run(line, DUCT_EXIT_FAILED, "not a duct device");
	assert_int_equal(pread(fd, text, sizeof(text), 0), 8);
	assert_string_equal(text, "precious");
	close(fd);
	unlink(path);
}

static void output_that_can_not_be_written(void **state)
{
	(void)state;
	assert_run("ductctl --help >/dev/full", DUCT_EXIT_FAILED,
		   "No space left");
	assert_run("ductclient --version >/dev/full", DUCT_EXIT_FAILED,
		   "No space left");
	assert_run("ductctl --help >&-", DUCT_EXIT_FAILED,
		   "Bad file descriptor");
}

/* Each option that the help has, and no other. */
static void completion(void **state)
{
	static const char *const tools[] = { "ductctl", "ductclient" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		const char *tool = tools[i];
		char command[256], *options;

		snprintf(command, sizeof(command),
			 "%s --help | grep -oE '^  -., --[a-z]+' | grep -oE '[-]+[A-Za-z]+' | sort",
			 tool);
		assert_int_equal(run(command), 0);
		options = strdup(out_text);
		assert_non_null(strstr(options, "--help\n"));
		snprintf(command, sizeof(command),
			 "bash -c '. tools/completion/%s; _%s %s - -j; printf \"%%s\\n\" ${COMPREPLY[@]} | sort'",
			 tool, tool, tool);
		assert_int_equal(shell(command), 0);
		assert_string_equal(out_text, options);
		free(options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(ductctl_usage),
		cmocka_unit_test(ductclient_usage),
		cmocka_unit_test(no_device),
		cmocka_unit_test(writes_nothing_to_a_file),
		cmocka_unit_test(output_that_can_not_be_written),
		cmocka_unit_test(completion),
	};

	return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}
