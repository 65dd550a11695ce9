/** A switch between network namespaces whose cables have a length: every frame arrives DELAY later, or not at all, and
 * no cable brings more than RATE. This is for kernels without netem; what a host sends is left to its tbf, which makes
 * the sender feel a full link at once.
 *
 * Usage: wire DELAY_MS LOSS RATE_GBIT NAMESPACE...; LOSS is the share of frames that get lost. Makes a TAP device eth0
 * in each namespace, the i-th with hardware address 02:00:00:00:00:i from 1, says "ready" and carries frames until
 * standard input ends, upon which the devices are gone. A line there "off i" cuts the i-th cable, "on i" mends it.
 * Frames are as long as TCP makes them, up to 64 KiB (the kernel cuts, or checks, nothing in between), so that 1 Gbit/s
 * are some 2000 frames a second.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { PORTS = 16, FRAMES = 1024, HEADER = sizeof(struct virtio_net_hdr), LONGEST = HEADER + 14 + 65536 };

typedef struct {
    int64_t due_ns; /* 0: it has left */
    size_t n;
    int from, to; /* to: -1 for all */
    unsigned char bytes[LONGEST];
} frame;

static frame queue[FRAMES]; /* in the order they came in, in which also those to one port leave */
static size_t first, n_queued;
static int port[PORTS], n_ports;
static int64_t free_ns[PORTS]; /* when what was sent there is through */
static bool is_cut[PORTS];

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(bool good, const char *what)
{
    if (good) return;
    (void)fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int plug_in(const char *name, int i)
{
    char path[256];
    struct ifreq device = {.ifr_name = "eth0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct ifreq address = {.ifr_name = "eth0", .ifr_hwaddr.sa_family = ARPHRD_ETHER};
    (void)snprintf(path, sizeof path, "/run/netns/%s", name);
    const int space = open(path, O_RDONLY);
    must(space >= 0 && setns(space, CLONE_NEWNET) == 0, path);
    const int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK), any = socket(AF_INET, SOCK_DGRAM, 0);
    must(tap >= 0 && ioctl(tap, TUNSETIFF, &device) == 0, "/dev/net/tun");
    must(ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == 0, "TUNSETOFFLOAD");
    memcpy(address.ifr_hwaddr.sa_data, (unsigned char[]){2, 0, 0, 0, 0, (unsigned char)(i + 1)}, 6);
    must(any >= 0 && ioctl(any, SIOCSIFHWADDR, &address) == 0, "SIOCSIFHWADDR");
    (void)close(any);
    (void)close(space);
    return tap;
}

/* To whom a frame is addressed, or -1. */
static int addressee(const frame *f)
{
    static const unsigned char ours[5] = {2};
    const unsigned char *to = f->bytes + HEADER;
    return memcmp(to, ours, sizeof ours) == 0 && to[5] >= 1 && to[5] <= n_ports ? to[5] - 1 : -1;
}

/* What a device does not take (it is down) is lost. */
static void deliver(frame *f)
{
    for (int i = 0; i < n_ports; i++)
        if (i != f->from && !is_cut[i] && (f->to < 0 || f->to == i) && write(port[i], f->bytes, f->n) < 0) continue;
    f->due_ns = 0;
}

static void take(int i, int64_t delay_ns, double loss, double bytes_a_ns)
{
    while (n_queued < FRAMES) {
        frame *f = &queue[(first + n_queued) % FRAMES];
        const ssize_t n = read(port[i], f->bytes, LONGEST);
        if (n <= 0) return;
        if (is_cut[i] || drand48() < loss) continue;
        f->n = (size_t)n;
        f->from = i;
        f->to = addressee(f);
        f->due_ns = now_ns() + delay_ns;
        if (f->to >= 0) {
            if (f->due_ns < free_ns[f->to]) f->due_ns = free_ns[f->to];
            free_ns[f->to] = f->due_ns + (int64_t)((double)n / bytes_a_ns);
        }
        n_queued++;
    }
}

/* Deliver what is due. \return when the next frame will be, if there is one */
static int64_t deliver_all(void)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < n_queued; i++) {
        frame *f = &queue[(first + i) % FRAMES];
        if (f->due_ns != 0 && f->due_ns <= now_ns()) deliver(f);
        if (f->due_ns != 0 && f->due_ns < next) next = f->due_ns;
    }
    for (; n_queued > 0 && queue[first].due_ns == 0; n_queued--) first = (first + 1) % FRAMES;
    if (n_queued == 0) first = 0; /* so that the next frame finds its memory in the processor's cache */
    return next;
}

static bool listen_to_user(void)
{
    char line[64] = "", word[4] = "";
    int i = 0;
    if (read(STDIN_FILENO, line, sizeof line - 1) <= 0) return false;
    if (sscanf(line, "%3s %d", word, &i) == 2 && i >= 1 && i <= n_ports) is_cut[i - 1] = strcmp(word, "off") == 0;
    return true;
}

/* How late a timer wakes this process at the least, which is a good part of a delay of 0.1 ms on a virtual machine. */
static int64_t timer_lag_ns(void)
{
    enum { TIMES = 50, WAIT_NS = 100000 };
    int64_t least = INT64_MAX;
    for (int i = 0; i < TIMES; i++) {
        const int64_t start = now_ns();
        (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        const int64_t late = now_ns() - start - WAIT_NS;
        if (late < least) least = late;
    }
    return least;
}

int main(int argc, char **argv)
{
    must(argc >= 5 && argc - 4 <= PORTS, "usage: wire DELAY_MS LOSS RATE_GBIT NAMESPACE...");
    const double loss = strtod(argv[2], NULL), bytes_a_ns = strtod(argv[3], NULL) / 8.0;
    struct pollfd watched[PORTS + 1];
    const int home = open("/proc/self/ns/net", O_RDONLY);
    for (int i = 0; i < argc - 4; i++) port[n_ports++] = plug_in(argv[4 + i], i);
    must(setns(home, CLONE_NEWNET) == 0, "setns");
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    /* A cable does not wait for a processor to become free. */
    (void)sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    const int64_t delay_ns = (int64_t)(strtod(argv[1], NULL) * 1e6) - timer_lag_ns();
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (bool ends = false; !ends;) {
        const int64_t left = deliver_all() - now_ns(), wait_ns = n_queued > 0 && left > 0 ? left : 0;
        const struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        for (int i = 0; i < n_ports; i++)
            watched[i] = (struct pollfd){.fd = port[i], .events = (short)(n_queued < FRAMES ? POLLIN : 0)};
        watched[n_ports] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        if (ppoll(watched, (nfds_t)n_ports + 1, n_queued > 0 ? &wait : NULL, NULL) <= 0) continue;
        for (int i = 0; i < n_ports; i++)
            if (watched[i].revents & POLLIN) take(i, delay_ns, loss, bytes_a_ns);
        ends = watched[n_ports].revents != 0 && !listen_to_user();
    }
    return 0;
}
