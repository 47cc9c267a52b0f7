/* How the root of a sliver comes to be, and how it ends. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

static void put(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
  mkdir(target, 0755);
  if (mount(source, target, type, flags, data)) fail(target);
}

/* /modules lists them, each after those it needs. */
static void load_modules(void) {
  char path[256];
  FILE *list = fopen("/modules", "re");
  if (!list) fail("/modules");
  while (fscanf(list, "%255s", path) == 1) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)) fail(path);
    close(file);
  }
  fclose(list);
}

/* Disks appear a little after their driver. */
static void await(const char *path) {
  for (int tries = 0; access(path, F_OK); tries++) {
    if (tries == 2000) fail(path);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

static void address_of(struct sockaddr *into, const char *text) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) fail(text);
  memcpy(into, &address, sizeof address);
}

static void change(int socket, unsigned long request, void *what, const char *purpose) {
  if (ioctl(socket, request, what)) fail(purpose);
}

static void raise_link(int socket, const char *name) {
  struct ifreq link = {0};
  strncpy(link.ifr_name, name, IFNAMSIZ - 1);
  change(socket, SIOCGIFFLAGS, &link, name);
  link.ifr_flags |= IFF_UP;
  change(socket, SIOCSIFFLAGS, &link, name);
}

static void route(int socket, const char *to, const char *by) {
  struct rtentry entry = {.rt_flags = RTF_UP | (by ? RTF_GATEWAY : RTF_HOST), .rt_dev = (char *)"eth0"};
  address_of(&entry.rt_dst, to);
  address_of(&entry.rt_genmask, by ? "0.0.0.0" : "255.255.255.255");
  if (by) address_of(&entry.rt_gateway, by);
  change(socket, SIOCADDRT, &entry, "route");
}

/* The gateway never answers when it is asked for its hardware address: it is said, too. */
static void know(int socket, const char *gateway, const char *hardware) {
  struct arpreq entry = {.arp_flags = ATF_COM | ATF_PERM, .arp_dev = "eth0"};
  address_of(&entry.arp_pa, gateway);
  entry.arp_ha.sa_family = ARPHRD_ETHER;
  unsigned char *bytes = (unsigned char *)entry.arp_ha.sa_data;
  if (sscanf(hardware, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", bytes, bytes + 1, bytes + 2, bytes + 3, bytes + 4,
             bytes + 5) != 6)
    fail(hardware);
  change(socket, SIOCSARP, &entry, "gateway");
}

/* /network holds the address, the gateway and its hardware address, where the sliver has a link. */
static void make_network(void) {
  int some = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  raise_link(some, "lo");
  FILE *said = fopen("/network", "re");
  if (!said) return (void)close(some);
  char address[16], gateway[16], hardware[18];
  if (fscanf(said, "%15s %15s %17s", address, gateway, hardware) != 3) fail("/network");
  fclose(said);
  struct ifreq link = {.ifr_name = "eth0"};
  address_of(&link.ifr_addr, address);
  change(some, SIOCSIFADDR, &link, "address");
  address_of(&link.ifr_netmask, "255.255.255.255");
  change(some, SIOCSIFNETMASK, &link, "netmask");
  raise_link(some, "eth0");
  route(some, gateway, NULL);
  route(some, "0.0.0.0", gateway);
  know(some, gateway, hardware);
  close(some);
}

static void write_setting(const char *path, const char *value) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  if (write(file, value, strlen(value)) < 0) fail(path);
  close(file);
}

static void name_host(void) {
  char name[65];
  FILE *said = fopen("/seed/etc/hostname", "re");
  if (said && fscanf(said, "%64s", name) == 1) sethostname(name, strlen(name));
  if (said) fclose(said);
}

static void make_devices(void) {
  put("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5");
  put("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777");
  put("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  const char *links[][2] = {
    {"/proc/self/fd", "/dev/fd"},
    {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"},
  };
  for (size_t at = 0; at < sizeof links / sizeof *links; at++) {
    if (symlink(links[at][0], links[at][1]) && errno != EEXIST) fail(links[at][1]);
  }
}

/* The kernel's console, where it has one. Whatever is opened later is none of these three. */
static void open_standard(void) {
  int file = open("/dev/console", O_RDWR);
  if (file < 0) file = open("/dev/null", O_RDWR);
  if (file < 0) fail("/dev/null");
  for (int at = 0; at < 3; at++) dup2(file, at);
  if (file > 2) close(file);
}

/* Only whether such a machine runs at all was asked. */
static int is_trial(void) {
  char line[2048] = "";
  int file = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, line, sizeof line - 1) < 0) fail("/proc/cmdline");
  close(file);
  return strstr(line, "slicelab.trial") != NULL;
}

void make_root(void) {
  const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  umask(0);
  put("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
  open_standard();
  put("proc", "/proc", "proc", quiet, NULL);
  if (is_trial()) power_off();
  load_modules();
  await("/dev/vda");
  await("/dev/vdb");
  put("/dev/vda", "/image", "erofs", MS_RDONLY, NULL);
  put("/dev/vdb", "/disk", "ext4", MS_NODEV, "discard,noinit_itable");
  mkdir("/disk/upper", 0755);
  mkdir("/disk/work", 0700);
  put("root", "/root", "overlay", MS_NODEV, "lowerdir=/seed:/image,upperdir=/disk/upper,workdir=/disk/work");
  make_network();
  name_host();
  put("sys", "/root/sys", "sysfs", quiet, NULL);
  const char *moved[] = {"/dev", "/proc"};
  for (size_t at = 0; at < 2; at++) {
    char target[32];
    snprintf(target, sizeof target, "/root%s", moved[at]);
    mkdir(target, 0755);
    if (mount(moved[at], target, NULL, MS_MOVE, NULL)) fail(target);
  }
  if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) fail("root");
  make_devices();
  write_setting("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
  umask(022);
}

/* Everything gets a moment to end in order, and what was written is on the disk. */
void power_off(void) {
  if (getpid() != 1) _exit(1);
  kill(-1, SIGTERM);
  for (int tries = 0; tries < 1000; tries++) {
    pid_t ended = waitpid(-1, NULL, WNOHANG);
    if (ended < 0) break;
    if (ended == 0) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  kill(-1, SIGKILL);
  sync();
  reboot(RB_AUTOBOOT);
  _exit(1);
}
