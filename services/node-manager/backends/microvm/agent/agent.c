/*
 * The first process of a microvm: it makes the root of the sliver out of its image, its seed and its disk, and then does
 * what the node manager asks for over a serial port: runs commands, opens connections, counts, powers off. Its users are
 * root inside and could do all of it themselves; nothing here protects the node from them, the machine around it does.
 *
 * It is the initial file system's /init, linked statically, since images need not even have a C library.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

enum { MOST_WATCHED = 4096 };

void fail(const char *what) {
  dprintf(2, "slicelab agent: %s: %s\n", what, strerror(errno));
  power_off();
}

uint32_t read32(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void write32(uint8_t *bytes, uint32_t value) {
  for (int at = 0; at < 4; at++) bytes[at] = (uint8_t)(value >> (8 * at));
}

/* Children of ours and those that lost their parents alike. */
static void reap(int signals) {
  struct signalfd_siginfo news;
  while (read(signals, &news, sizeof news) == sizeof news) continue;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) channels_reaped(pid, status);
}

/*
 * Run on the machine itself, it says how many thousand times in a second the time stamp counter counts: the best of a
 * few tries, since others run meanwhile.
 */
static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void reading(uint64_t *time, uint64_t *ticks) {
  uint64_t least = UINT64_MAX;
  for (int tries = 0; tries < 200; tries++) {
    uint64_t before = nanoseconds(), count = __builtin_ia32_rdtsc(), after = nanoseconds();
    if (after - before >= least) continue;
    least = after - before;
    *time = before + least / 2;
    *ticks = count;
  }
}

static int say_rate(void) {
  uint64_t from, to, first = 0, last = 0;
  reading(&from, &first);
  nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  reading(&to, &last);
  printf("%llu\n", (unsigned long long)((last - first) * 1000000u / (to - from)));
  return 0;
}

int main(void) {
  if (getpid() != 1) return say_rate();
  static struct pollfd watched[MOST_WATCHED];
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  signal(SIGPIPE, SIG_IGN);
  make_root();
  link_open();
  int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) fail("signals");
  for (;;) {
    watched[0] = (struct pollfd){.fd = link_waiting(), .events = POLLIN};
    watched[1] = (struct pollfd){.fd = signals, .events = POLLIN};
    size_t channels = channels_interest(watched + 2, MOST_WATCHED - 2);
    if (poll(watched, channels + 2, -1) < 0 && errno != EINTR) fail("wait");
    channels_turn(watched + 2, channels);
    if (watched[1].revents) reap(signals);
    link_turn();
  }
}
