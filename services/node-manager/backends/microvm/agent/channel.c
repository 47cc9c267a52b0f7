/*
 * What goes on between the node manager and one command, or over one connection. Neither side sends more than the other
 * has said that it has room for, so that nobody who reads slowly makes others wait.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

enum { MOST_CHANNELS = 1024, FIRST_ORDINARY_PORT = 1024, WAITING_CONNECTIONS = 64, MOST_DESCRIPTION = 1 << 18 };
/* Channels of connections that arrived have numbers of their own. */
static const uint32_t ARRIVALS = 0x80000000u;

enum kind { COMMAND, CONNECTION, LISTENER };

struct output {
  int file; /* -1 when it is over */
  uint32_t credit;
  uint8_t type;
};

struct channel {
  uint32_t number;
  enum kind kind;
  int terminal, connecting;
  int input; /* -1 when nobody reads it any more */
  int input_ends;
  uint8_t *waiting;
  size_t waiting_at, waiting_end;
  struct output outputs[2];
  pid_t pid;
  int ended, status;
  struct channel *next;
};

static struct channel *channels;
static size_t channel_count;
static uint32_t arrivals;
static uint8_t description[MOST_DESCRIPTION];
static uint32_t described;

/* Which channel and which of its files each entry of the last `channels_interest` was about. */
static struct { struct channel *channel; int file; } asked[4096];

static struct channel *find(uint32_t number) {
  struct channel *channel = channels;
  while (channel && channel->number != number) channel = channel->next;
  return channel;
}

static void say(uint8_t type, const struct channel *channel, uint32_t value) {
  uint8_t bytes[4];
  write32(bytes, value);
  link_send(type, channel->number, bytes, sizeof bytes);
}

static int is_output_of(const struct channel *channel, int file) {
  return channel->outputs[0].file == file || channel->outputs[1].file == file;
}

/* A terminal and a connection have one file for both directions. */
static void close_input(struct channel *channel) {
  int file = channel->input;
  channel->input = -1;
  if (file < 0) return;
  if (!is_output_of(channel, file)) close(file);
  else if (channel->kind == CONNECTION) shutdown(file, SHUT_WR);
}

static void close_output(struct channel *channel, struct output *output) {
  int file = output->file;
  output->file = -1;
  if (file >= 0 && file != channel->input) close(file);
}

static void forget(struct channel *channel) {
  struct channel **at = &channels;
  while (*at != channel) at = &(*at)->next;
  *at = channel->next;
  close_input(channel);
  for (int each = 0; each < 2; each++) close_output(channel, &channel->outputs[each]);
  free(channel->waiting);
  free(channel);
  channel_count--;
}

void channels_forget_all(void) {
  described = 0;
  while (channels) forget(channels);
}

static struct channel *add(uint32_t number, enum kind kind) {
  struct channel *channel = channel_count < MOST_CHANNELS ? calloc(1, sizeof *channel) : NULL;
  if (!channel) return NULL;
  *channel = (struct channel){.number = number, .kind = kind, .input = -1, .next = channels};
  channel->outputs[0] = (struct output){.file = -1, .credit = WINDOW, .type = OUTPUT};
  channel->outputs[1] = (struct output){.file = -1, .credit = WINDOW, .type = ERRORS};
  channel->waiting = malloc(WINDOW);
  if (!channel->waiting) fail("memory");
  channels = channel;
  channel_count++;
  return channel;
}

static void refuse(uint32_t number, int error) {
  uint8_t bytes[4];
  write32(bytes, (uint32_t)error);
  link_send(FAILED, number, bytes, sizeof bytes);
}

static void refuse_added(struct channel *channel, int error) {
  refuse(channel->number, error);
  forget(channel);
}

/* Commands are over when they have ended and nobody can write to their outputs any more. */
static void end_if_over(struct channel *channel) {
  if (channel->outputs[0].file >= 0 || channel->outputs[1].file >= 0) return;
  if (channel->kind == COMMAND ? !channel->ended : channel->input >= 0) return;
  uint8_t bytes[8];
  int status = channel->status, signalled = WIFSIGNALED(status);
  write32(bytes, (uint32_t)(signalled ? 0 : WEXITSTATUS(status)));
  write32(bytes + 4, (uint32_t)(signalled ? WTERMSIG(status) : 0));
  link_send(ENDED, channel->number, bytes, sizeof bytes);
  forget(channel);
}

static void open_command(uint32_t number) {
  struct opened opened = {0};
  struct channel *channel = add(number, COMMAND);
  if (!channel) return refuse(number, EAGAIN);
  int error = command_start(description, described, &opened);
  if (error) return refuse_added(channel, error);
  channel->terminal = opened.terminal;
  channel->input = opened.input;
  channel->outputs[0].file = opened.output;
  channel->outputs[1].file = opened.errors;
  channel->pid = opened.pid;
  say(STARTED, channel, (uint32_t)opened.pid);
}

static struct sockaddr_in socket_address(const uint8_t *bytes, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  memcpy(&address.sin_addr, bytes, 4);
  return address;
}

static void open_connection(uint32_t number, const uint8_t *address, unsigned port) {
  struct channel *channel = add(number, CONNECTION);
  if (!channel) return refuse(number, EAGAIN);
  int file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = socket_address(address, port);
  channel->input = channel->outputs[0].file = file;
  if (file < 0 || (connect(file, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS))
    return refuse_added(channel, errno);
  channel->connecting = 1;
}

static void open_listener(uint32_t number, unsigned port) {
  struct channel *channel = add(number, LISTENER);
  if (!channel) return refuse(number, EAGAIN);
  if (port > 0 && port < FIRST_ORDINARY_PORT) return refuse_added(channel, EACCES);
  int file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in at = socket_address((const uint8_t[]){127, 0, 0, 1}, port);
  socklen_t size = sizeof at;
  channel->outputs[0].file = file;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(file, (struct sockaddr *)&at, size) || listen(file, WAITING_CONNECTIONS) ||
      getsockname(file, (struct sockaddr *)&at, &size))
    return refuse_added(channel, errno);
  say(STARTED, channel, ntohs(at.sin_port));
}

static void arrive(struct channel *listener) {
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  int file = accept4(listener->outputs[0].file, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (file < 0) return;
  struct channel *channel = add(ARRIVALS | arrivals++, CONNECTION);
  if (!channel) return (void)close(file);
  channel->input = channel->outputs[0].file = file;
  uint8_t bytes[12];
  write32(bytes, channel->number);
  write32(bytes + 4, ntohs(from.sin_port));
  memcpy(bytes + 8, &from.sin_addr, 4);
  link_send(ARRIVED, listener->number, bytes, sizeof bytes);
}

static void connected(struct channel *channel) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(channel->input, SOL_SOCKET, SO_ERROR, &error, &size);
  channel->connecting = 0;
  if (error) refuse_added(channel, error);
  else say(STARTED, channel, 0);
}

static void give_input(struct channel *channel) {
  size_t length = channel->waiting_end - channel->waiting_at;
  if (channel->input >= 0 && length > 0) {
    ssize_t used = write(channel->input, channel->waiting + channel->waiting_at, length);
    if (used < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (used < 0) close_input(channel); /* nobody reads it: the rest is thrown away */
    else length = (size_t)used;
  }
  if (length > 0) say(TAKEN, channel, (uint32_t)length);
  channel->waiting_at += length;
  if (channel->waiting_at < channel->waiting_end) return;
  channel->waiting_at = channel->waiting_end = 0;
  /* The end of the input is no end of a terminal: whoever types on it says so with a character. */
  if (channel->input_ends && !channel->terminal) close_input(channel);
}

static void take_input(struct channel *channel, const uint8_t *bytes, uint32_t length) {
  if (length == 0) channel->input_ends = 1;
  if (channel->waiting_end + length > WINDOW) {
    memmove(channel->waiting, channel->waiting + channel->waiting_at, channel->waiting_end - channel->waiting_at);
    channel->waiting_end -= channel->waiting_at;
    channel->waiting_at = 0;
  }
  if (channel->waiting_end + length > WINDOW) return; /* more than there was room for: never sent by us */
  if (length > 0) memcpy(channel->waiting + channel->waiting_end, bytes, length);
  channel->waiting_end += length;
  if (!channel->connecting) give_input(channel);
}

static void take_output(struct channel *channel, struct output *output) {
  uint8_t bytes[MOST_PAYLOAD];
  size_t most = output->credit < sizeof bytes ? output->credit : sizeof bytes;
  ssize_t got = read(output->file, bytes, most);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) {
    output->credit -= (uint32_t)got;
    link_send(output->type, channel->number, bytes, (uint32_t)got);
  } else {
    /* A terminal says EIO when nobody has its other end. */
    close_output(channel, output);
    link_send(output->type, channel->number, NULL, 0);
    if (channel->terminal) close_input(channel);
  }
}

size_t channels_interest(struct pollfd *into, size_t most) {
  size_t count = 0;
  for (struct channel *channel = channels; channel && count + 3 <= most; channel = channel->next) {
    if (channel->input >= 0 && (channel->connecting || channel->waiting_end > 0)) {
      asked[count].channel = channel, asked[count].file = -1;
      into[count++] = (struct pollfd){.fd = channel->input, .events = POLLOUT};
    }
    for (int each = 0; each < 2 && !channel->connecting; each++) {
      struct output *output = &channel->outputs[each];
      if (output->file < 0 || output->credit == 0 || !link_has_room()) continue;
      asked[count].channel = channel, asked[count].file = each;
      into[count++] = (struct pollfd){.fd = output->file, .events = POLLIN};
    }
  }
  return count;
}

static int is_there(const struct channel *wanted) {
  struct channel *channel = channels;
  while (channel && channel != wanted) channel = channel->next;
  return channel != NULL;
}

void channels_turn(const struct pollfd *found, size_t count) {
  for (size_t at = 0; at < count; at++) {
    struct channel *channel = asked[at].channel;
    if (!found[at].revents || !is_there(channel)) continue;
    struct output *output = asked[at].file < 0 ? NULL : &channel->outputs[asked[at].file];
    if (output && output->file != found[at].fd) continue;
    if (channel->kind == LISTENER) arrive(channel);
    else if (channel->connecting) connected(channel);
    else if (output) take_output(channel, output);
    else give_input(channel);
    if (channel->kind != LISTENER && is_there(channel)) end_if_over(channel);
  }
}

static void count_processes(void) {
  uint32_t count = 0;
  DIR *all = opendir("/proc");
  for (struct dirent *one; all && (one = readdir(all));) {
    char path[300], text[512] = "";
    if (!isdigit((unsigned char)one->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%s/cmdline", one->d_name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    if (read(file, text, sizeof text) > 0) count++; /* threads of the kernel have no command line */
    close(file);
  }
  if (all) closedir(all);
  uint8_t bytes[4];
  write32(bytes, count);
  link_send(COUNTED, 0, bytes, sizeof bytes);
}

static void describe(const uint8_t *part, uint32_t length) {
  if (described + length > sizeof description) return; /* longer than the node manager lets any be */
  memcpy(description + described, part, length);
  described += length;
}

static void signal_command(const struct channel *channel, int number) {
  if (channel->kind == COMMAND && !channel->ended) kill(-channel->pid, number);
}

static void give_credit(struct channel *channel, uint32_t which, uint32_t more) {
  if (which == 1 || which == 2) channel->outputs[which - 1].credit += more;
}

static void resize(const struct channel *channel, unsigned columns, unsigned rows) {
  struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
  if (channel->terminal && channel->outputs[0].file >= 0) ioctl(channel->outputs[0].file, TIOCSWINSZ, &size);
}

/* About a channel that is there. It may have ended a moment ago: then there is nothing to do. */
static void channel_frame(uint8_t type, struct channel *channel, const uint8_t *payload, uint32_t length) {
  if (type == INPUT) {
    take_input(channel, payload, length);
    if (is_there(channel)) end_if_over(channel);
  } else if (type == CREDIT && length == 8) give_credit(channel, read32(payload), read32(payload + 4));
  else if (type == SIGNAL && length == 4) signal_command(channel, (int)read32(payload));
  else if (type == RESIZE && length == 8) resize(channel, read32(payload), read32(payload + 4));
  else if (type == LEAVE) forget(channel);
}

void channels_frame(uint8_t type, uint32_t number, const uint8_t *payload, uint32_t length) {
  struct channel *channel = find(number);
  if (type == POWER_OFF) power_off();
  else if (type == COUNT) count_processes();
  else if (type == DESCRIBE) describe(payload, length);
  else if (type == OPEN) {
    open_command(number);
    described = 0;
  } else if (type == CONNECT && length == 8) open_connection(number, payload, read32(payload + 4));
  else if (type == LISTEN && length == 4) open_listener(number, read32(payload));
  else if (channel) channel_frame(type, channel, payload, length);
}

void channels_reaped(pid_t pid, int status) {
  for (struct channel *channel = channels; channel; channel = channel->next) {
    if (channel->kind != COMMAND || channel->ended || channel->pid != pid) continue;
    channel->ended = 1;
    channel->status = status;
    return end_if_over(channel);
  }
}
