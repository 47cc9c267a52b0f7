/* The serial port to the node manager. What is sent while none is there waits; the next one begins with SYNC. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

enum { ROOM = 262144 };

static int port = -1, waiting = -1;
static uint8_t incoming[HEADER + MOST_PAYLOAD + 1];
static size_t received;
static uint8_t *outgoing;
static size_t outgoing_at, outgoing_end, outgoing_size;

/* There is one. Its name begins with the number of its device. */
static int open_port(void) {
  int file = -1;
  DIR *devices = opendir("/dev");
  for (struct dirent *one; devices && file < 0 && (one = readdir(devices));) {
    if (!strncmp(one->d_name, "vport", 5)) file = openat(dirfd(devices), one->d_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (devices) closedir(devices);
  return file;
}

void link_open(void) {
  for (int tries = 0; (port = open_port()) < 0; tries++) {
    if (tries == 2000) fail("serial port");
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  waiting = epoll_create1(EPOLL_CLOEXEC);
  /* Told of changes only: while no node manager is there, the port hangs up all the time. */
  struct epoll_event changes = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  if (waiting < 0 || epoll_ctl(waiting, EPOLL_CTL_ADD, port, &changes)) fail("serial port");
}

int link_waiting(void) { return waiting; }

int link_has_room(void) { return outgoing_end - outgoing_at < ROOM; }

void link_send(uint8_t type, uint32_t channel, const void *payload, uint32_t length) {
  size_t whole = HEADER + length + 1;
  if (outgoing_at == outgoing_end) outgoing_at = outgoing_end = 0;
  if (outgoing_at > 0 && outgoing_end + whole > outgoing_size) {
    memmove(outgoing, outgoing + outgoing_at, outgoing_end - outgoing_at);
    outgoing_end -= outgoing_at;
    outgoing_at = 0;
  }
  if (outgoing_end + whole > outgoing_size) {
    outgoing_size = 2 * (outgoing_end + whole);
    outgoing = realloc(outgoing, outgoing_size);
    if (!outgoing) fail("memory");
  }
  uint8_t *frame = outgoing + outgoing_end;
  frame[0] = type;
  write32(frame + 1, channel);
  write32(frame + 5, length);
  if (length > 0) memcpy(frame + HEADER, payload, length);
  frame[HEADER + length] = END_MARK;
  outgoing_end += whole;
}

/* What was meant for an earlier node manager is nobody's. */
static void begin(const uint8_t *nonce, uint32_t length) {
  channels_forget_all();
  outgoing_at = outgoing_end = 0;
  link_send(HELLO, 0, nonce, length);
}

static void take(uint8_t type, uint32_t channel, const uint8_t *payload, uint32_t length) {
  if (type == SYNC) begin(payload, length);
  else channels_frame(type, channel, payload, length);
}

/*
 * Uses up every whole frame in `incoming`. A node manager that was killed may have left half a frame; the next one sends
 * more zeros than a frame can be long before its SYNC: they fill the half frame, whose end mark is then wrong.
 */
static void use_frames(void) {
  size_t at = 0;
  while (at < received) {
    if (incoming[at] == PAD) {
      at++;
      continue;
    }
    if (received - at < HEADER) break;
    uint32_t length = read32(incoming + at + 5);
    if (length > MOST_PAYLOAD) {
      at++;
      continue;
    }
    if (received - at < HEADER + length + 1) break;
    if (incoming[at + HEADER + length] == END_MARK)
      take(incoming[at], read32(incoming + at + 1), incoming + at + HEADER, length);
    at += HEADER + length + 1;
  }
  memmove(incoming, incoming + at, received - at);
  received -= at;
}

static void receive(void) {
  for (;;) {
    ssize_t got = read(port, incoming + received, sizeof incoming - received);
    if (got <= 0) return; /* nothing there, or nobody */
    received += (size_t)got;
    use_frames();
  }
}

static void transmit(void) {
  while (outgoing_at < outgoing_end) {
    ssize_t sent = write(port, outgoing + outgoing_at, outgoing_end - outgoing_at);
    if (sent <= 0) return;
    outgoing_at += (size_t)sent;
  }
}

void link_turn(void) {
  struct epoll_event change;
  while (epoll_wait(waiting, &change, 1, 0) > 0) continue;
  receive();
  transmit();
}
