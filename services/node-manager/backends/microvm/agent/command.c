/* Starting a command as its description says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

enum { FIXED = 17, MOST_TEXTS = 4096 };

/* Flags. Detached: its input and outputs are nothing. */
enum { ON_TERMINAL = 1, DETACHED = 2 };

struct description {
  int terminal, detached;
  uid_t uid;
  gid_t gid;
  struct winsize size;
  char *directory;
  char **arguments, **variables;
};

/* Splits the NUL-ended texts after the fixed part: the directory, arguments, an empty text, variables. */
static int parse(char *bytes, uint32_t length, struct description *into) {
  static char *texts[MOST_TEXTS + 2];
  size_t count = 0, split = 0;
  const uint8_t *fixed = (const uint8_t *)bytes;
  if (length <= FIXED || bytes[length - 1] != '\0') return EINVAL;
  uint32_t arguments = read32(fixed + 13);
  for (uint32_t at = FIXED; at < length; at += (uint32_t)strlen(bytes + at) + 1) {
    if (count == MOST_TEXTS) return E2BIG;
    texts[count++] = bytes + at;
    if (count == 1 + (size_t)arguments) {
      split = count;
      texts[count++] = NULL;
    }
  }
  texts[count] = NULL;
  if (arguments == 0 || split == 0) return EINVAL;
  into->terminal = fixed[0] & ON_TERMINAL;
  into->detached = fixed[0] & DETACHED;
  into->uid = read32(fixed + 1);
  into->gid = read32(fixed + 5);
  into->size = (struct winsize){.ws_col = (unsigned short)(fixed[9] | fixed[10] << 8),
                                .ws_row = (unsigned short)(fixed[11] | fixed[12] << 8)};
  into->directory = texts[0];
  into->arguments = texts + 1;
  into->variables = texts + split + 1;
  return 0;
}

static int open_terminal(const struct winsize *size, const struct description *said, int *ours, int *theirs) {
  char name[64];
  *ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (*ours < 0) return errno;
  if (unlockpt(*ours) || ptsname_r(*ours, name, sizeof name)) return errno;
  ioctl(*ours, TIOCSWINSZ, size);
  *theirs = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*theirs < 0 || fchown(*theirs, said->uid, 5) || fchmod(*theirs, 0620)) return errno;
  struct termios modes;
  if (!tcgetattr(*theirs, &modes)) {
    modes.c_iflag |= IUTF8;
    tcsetattr(*theirs, TCSANOW, &modes);
  }
  return 0;
}

/* Only returns when it failed. */
static void become(const struct description *said, const int standard[3]) {
  setsid();
  if (said->terminal) ioctl(standard[0], TIOCSCTTY, 0);
  for (int at = 0; at < 3; at++) {
    if (dup2(standard[at], at) < 0) return;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  umask(022);
  if (setgroups(0, NULL) || setgid(said->gid) || setuid(said->uid)) return;
  if (chdir(said->directory)) return;
  clearenv();
  for (char **variable = said->variables; *variable; variable++) putenv(*variable);
  execvpe(said->arguments[0], said->arguments, environ);
}

static int start(const struct description *said, const int standard[3], pid_t *pid) {
  int told[2], error = 0;
  if (pipe2(told, O_CLOEXEC)) return errno;
  *pid = fork();
  if (*pid == 0) {
    become(said, standard);
    error = errno;
    if (write(told[1], &error, sizeof error) < 0) _exit(126);
    _exit(127);
  }
  if (*pid < 0) error = errno;
  close(told[1]);
  if (*pid > 0 && read(told[0], &error, sizeof error) != sizeof error) error = 0;
  close(told[0]);
  return error;
}

static void close_all(const int *files, size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (files[at] >= 0) close(files[at]);
  }
}

static int on_terminal(const struct description *said, struct opened *opened) {
  int ends[2] = {-1, -1};
  int error = open_terminal(&said->size, said, &ends[0], &ends[1]);
  if (!error) error = start(said, (int[]){ends[1], ends[1], ends[1]}, &opened->pid);
  if (error) close_all(ends, 2);
  else close(ends[1]);
  *opened = (struct opened){.input = ends[0], .output = ends[0], .errors = -1, .pid = opened->pid, .terminal = 1};
  return error;
}

static int on_pipes(const struct description *said, struct opened *opened) {
  int pipes[6] = {-1, -1, -1, -1, -1, -1}, error = 0;
  for (int at = 0; at < 6; at += 2) {
    if (pipe2(pipes + at, O_CLOEXEC)) error = errno;
  }
  if (!error) error = start(said, (int[]){pipes[0], pipes[3], pipes[5]}, &opened->pid);
  if (error) {
    close_all(pipes, 6);
    return error;
  }
  close_all((int[]){pipes[0], pipes[3], pipes[5]}, 3);
  *opened = (struct opened){.input = pipes[1], .output = pipes[2], .errors = pipes[4], .pid = opened->pid};
  const int ours[] = {pipes[1], pipes[2], pipes[4]};
  for (int at = 0; at < 3; at++) fcntl(ours[at], F_SETFL, O_NONBLOCK);
  return 0;
}

static int on_nothing(const struct description *said, struct opened *opened) {
  *opened = (struct opened){.input = -1, .output = -1, .errors = -1};
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  int error = nothing < 0 ? errno : start(said, (int[]){nothing, nothing, nothing}, &opened->pid);
  if (nothing >= 0) close(nothing);
  return error;
}

int command_start(const uint8_t *description, uint32_t length, struct opened *opened) {
  static char bytes[MOST_PAYLOAD * 16];
  if (length > sizeof bytes) return E2BIG;
  memcpy(bytes, description, length);
  struct description said;
  int error = parse(bytes, length, &said);
  if (error) return error;
  if (said.detached) return on_nothing(&said, opened);
  return said.terminal ? on_terminal(&said, opened) : on_pipes(&said, opened);
}
