/* What the parts of the agent share. See agent.c for what it is and channel.c for the protocol. */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Frames, in both directions: type, channel, length (little-endian), payload, and an end mark. */
enum {
  HEADER = 9,
  MOST_PAYLOAD = 16384,
  END_MARK = 0xe7,
};

/* Types of frames. Those that the node manager sends are below 64. */
enum {
  PAD = 0,
  SYNC = 1,     /* 16 bytes that HELLO repeats: from here on both count from nothing */
  DESCRIBE = 2, /* a part of a command: flags, uid, gid, size, count of arguments; directory, arguments, variables */
  OPEN = 3,     /* starts the command described */
  INPUT = 4,    /* bytes; none at all is the end of the input */
  CREDIT = 5,   /* which output (1 or 2), how many bytes more may be sent of it */
  SIGNAL = 6,   /* number */
  RESIZE = 7,   /* columns, rows */
  LEAVE = 8,    /* forget the channel; what runs may go on */
  CONNECT = 9,  /* address, port: a TCP connection instead of a command */
  LISTEN = 10,  /* port of the loopback; connections are said with ARRIVED */
  COUNT = 11,   /* how many processes are there? */
  POWER_OFF = 12,

  HELLO = 64,
  STARTED = 65, /* of LISTEN: the port */
  FAILED = 66,  /* errno */
  OUTPUT = 67,  /* bytes; none at all is the end */
  ERRORS = 68,
  TAKEN = 69,   /* so many bytes of the input were used: credit for as many more */
  ENDED = 70,   /* exit code, signal */
  ARRIVED = 71, /* the channel of a connection that came to a listener, and the port and address it comes from */
  COUNTED = 72,
};

/* How much of an input may be on its way, and of an output until the first CREDIT. */
enum { WINDOW = 131072 };

void fail(const char *what);

/* root.c */
void make_root(void);
void power_off(void);

/* link.c: the serial port to the node manager */
void link_open(void);
/* A file descriptor that polls readable when there is something to do for `link_turn`. */
int link_waiting(void);
void link_turn(void);
int link_has_room(void);
void link_send(uint8_t type, uint32_t channel, const void *payload, uint32_t length);

/* channel.c: commands and connections */
struct pollfd;
size_t channels_interest(struct pollfd *into, size_t most);
void channels_turn(const struct pollfd *found, size_t count);
void channels_frame(uint8_t type, uint32_t number, const uint8_t *payload, uint32_t length);
void channels_forget_all(void);
void channels_reaped(pid_t pid, int status);

/* command.c */
struct opened {
  int input, output, errors; /* for us; -1 where there is none */
  pid_t pid;
  int terminal;
};
/* Returns 0, or the errno of what went wrong. */
int command_start(const uint8_t *description, uint32_t length, struct opened *opened);

uint32_t read32(const uint8_t *bytes);
void write32(uint8_t *bytes, uint32_t value);

#endif
