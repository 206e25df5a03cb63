// A closed-loop load generator in one thread: each connection sends a batch of commands, waits for all replies, sends the next.
// It prints one line of JSON. Built by the benchmark: cc -O2 -o load load.c
//
// --target HOST:PORT[,HOST:PORT…]  connections are spread over them in turn
// --slots                 the target is one node of a Redis Cluster: CLUSTER SLOTS is asked once, every client opens a connection to
//                         each owner, and each batch goes to the owner of its keys
// --protocol resp|etcd    etcd: puts and linearizable ranges through its JSON gateway
// --workload get|set|mixed|fill   mixed: 1 set in 10; fill: each key set once
// --connections N  --pipeline N  --keys N  --value-bytes N  --seconds S  --warmup S
// --wait N                each batch with a set ends with WAIT N 0
// --rate N                so many commands a second, evenly, whatever the replies do: a latency counts from when its batch was due
// --seconds 0             until SIGTERM. SIGUSR1 prints what was measured since the last one, and begins anew
//
// The latency of a command is that of its batch. Latencies are kept in a histogram of 64 buckets per power of two (within 1.6 %).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TARGETS = 64, SLOTS = 16384, READ_BYTES = 1 << 16, MAX_LINE = 256, STALL_MS = 10000 };
enum { SUB_BUCKETS = 64, BUCKETS = SUB_BUCKETS * 40 };

typedef enum { GET, SET, MIXED, FILL } Workload;
typedef enum { RESP, ETCD } Protocol;

static struct {
  char *target;
  int slots;
  Protocol protocol;
  Workload workload;
  int connections, pipeline, valueBytes, wait;
  long keys;
  double seconds, warmup, rate;
} options = {.connections = 1, .pipeline = 1, .valueBytes = 100, .keys = 100000, .seconds = 3, .warmup = 0.5};

typedef struct Client Client;

/** One socket and how far its reply has been read. */
typedef struct {
  int fd;
  Client *client;
  long skip;  // bytes of a bulk or body still to be passed over
  char line[MAX_LINE];
  int lineLength;
  int inHead;  // etcd: within the head of a response
  int chunked;
  long bodyBytes;
} Socket;

struct Client {
  Socket *sockets;  // one per owner with --slots, else one
  char *out;
  int pending;  // replies still to come
  int operations;  // commands of the batch that count: WAIT does not
  double sentAt;
};

static long histogram[BUCKETS];
static long operationsDone, errors, filled;
static double maxLatency, startedAt, measureFrom;
static short owner[SLOTS];
static char *value;
static int epollFd;

static void fail(const char *what) {
  fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/** xorshift64: the same keys in each run. */
static uint64_t randomState = 88172645463325252ull;
static uint64_t randomNext(void) {
  randomState ^= randomState << 13;
  randomState ^= randomState >> 7;
  randomState ^= randomState << 17;
  return randomState;
}

// ---- histogram

static int bucketOf(double seconds) {
  uint64_t ns = (uint64_t)(seconds * 1e9);
  if (ns < SUB_BUCKETS) return (int)ns;
  int power = 63 - __builtin_clzll(ns);
  int bucket = (power - 5) * SUB_BUCKETS + (int)((ns >> (power - 6)) - SUB_BUCKETS);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/** The upper end of the bucket. */
static double latencyOf(int bucket) {
  if (bucket < SUB_BUCKETS) return bucket * 1e-9;
  int power = bucket / SUB_BUCKETS + 5;
  return (double)(uint64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS + 1) * (double)(1ull << (power - 6)) * 1e-9;
}

static double percentile(double part) {
  long wanted = (long)(part * (double)operationsDone), seen = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen > wanted) return latencyOf(bucket) < maxLatency ? latencyOf(bucket) : maxLatency;
  }
  return maxLatency;
}

// ---- slots

/** CRC-16/XMODEM, as Redis Cluster places keys. */
static unsigned crc16(const char *bytes, int length) {
  unsigned crc = 0;
  while (length--) {
    crc ^= (unsigned)(unsigned char)*bytes++ << 8;
    for (int bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return crc;
}

static int dial(const char *address) {
  char host[64];
  snprintf(host, sizeof host, "%s", address);
  char *colon = strrchr(host, ':');
  if (!colon) fail("a target is HOST:PORT");
  *colon = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &to.sin_addr) != 1) fail("not an IPv4 address");
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail(address);
  return fd;
}

static char text[4096];

static void readLine(FILE *file) {
  if (!fgets(text, sizeof text, file)) fail("CLUSTER SLOTS: the connection was closed");
  if (text[0] == '-') {
    errno = 0;
    fail(text);
  }
}

static int readNumber(FILE *file) {
  readLine(file);
  return atoi(text + 1);
}

static void skipValue(FILE *file) {
  readLine(file);
  if (text[0] == '*' || text[0] == '%') {
    int count = atoi(text + 1) * (text[0] == '%' ? 2 : 1);
    while (count-- > 0) skipValue(file);
  } else if (text[0] == '$' && atoi(text + 1) >= 0) readLine(file);
}

static int indexOfTarget(char **targets, int *count, const char *address) {
  for (int i = 0; i < *count; i++)
    if (!strcmp(targets[i], address)) return i;
  if (*count == MAX_TARGETS) fail("too many owners");
  targets[*count] = strdup(address);
  return (*count)++;
}

/** Fills `owner` and returns how many owners there are. */
static int learnSlots(const char *address, char **targets) {
  int fd = dial(address), count = 0;
  FILE *file = fdopen(fd, "r");
  dprintf(fd, "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n");
  memset(owner, -1, sizeof owner);
  for (int ranges = readNumber(file); ranges > 0; ranges--) {
    int parts = readNumber(file), from = readNumber(file), to = readNumber(file), fields = readNumber(file);
    char host[64], full[80];
    int length = readNumber(file);
    readLine(file);
    snprintf(host, sizeof host, "%.*s", length, text);
    snprintf(full, sizeof full, "%s:%d", host, readNumber(file));
    for (int field = 2; field < fields; field++) skipValue(file);
    for (int part = 3; part < parts; part++) skipValue(file);
    short index = (short)indexOfTarget(targets, &count, full);
    for (int slot = from; slot <= to; slot++) owner[slot] = index;
  }
  fclose(file);
  errno = 0;
  for (int slot = 0; slot < SLOTS; slot++)
    if (owner[slot] < 0) fail("a slot has no owner");
  return count;
}

// ---- requests

static int writeKey(char *key, long number) { return sprintf(key, "key:%012ld", number); }

/** A key of the wanted owner; -1: any, and the owner found is stored there. */
static int drawKey(char *key, int *wanted) {
  for (;;) {
    long number = options.workload == FILL ? filled++ % options.keys : (long)(randomNext() % (uint64_t)options.keys);
    int length = writeKey(key, number);
    if (!options.slots) return length;
    int found = owner[crc16(key, length) % SLOTS];
    if (*wanted < 0) *wanted = found;
    if (*wanted == found) return length;
  }
}

static int base64(char *to, const char *from, int length) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int at = 0;
  for (int i = 0; i < length; i += 3) {
    int left = length - i;
    unsigned bits = (unsigned)(unsigned char)from[i] << 16;
    if (left > 1) bits |= (unsigned)(unsigned char)from[i + 1] << 8;
    if (left > 2) bits |= (unsigned char)from[i + 2];
    to[at++] = letters[bits >> 18];
    to[at++] = letters[bits >> 12 & 63];
    to[at++] = left > 1 ? letters[bits >> 6 & 63] : '=';
    to[at++] = left > 2 ? letters[bits & 63] : '=';
  }
  to[at] = 0;
  return at;
}

static int writeEtcd(char *out, const char *key, int keyLength, int isSet) {
  static char encodedKey[64], encodedValue[1 << 20], body[(1 << 20) + 256];
  base64(encodedKey, key, keyLength);
  int length;
  if (isSet) {
    if (!encodedValue[0]) base64(encodedValue, value, options.valueBytes);
    length = sprintf(body, "{\"key\":\"%s\",\"value\":\"%s\"}", encodedKey, encodedValue);
  } else length = sprintf(body, "{\"key\":\"%s\"}", encodedKey);
  return sprintf(out, "POST /v3/kv/%s HTTP/1.1\r\nHost: etcd\r\nContent-Length: %d\r\n\r\n%s", isSet ? "put" : "range", length, body);
}

static int writeCommand(char *out, const char *key, int keyLength, int isSet) {
  if (options.protocol == ETCD) return writeEtcd(out, key, keyLength, isSet);
  if (!isSet) return sprintf(out, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", keyLength, key);
  int length = sprintf(out, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n", keyLength, key, options.valueBytes);
  memcpy(out + length, value, (size_t)options.valueBytes);
  memcpy(out + length + options.valueBytes, "\r\n", 2);
  return length + options.valueBytes + 2;
}

static void sendAll(int fd, const char *bytes, int length) {
  for (int sent = 0; sent < length;) {
    ssize_t written = write(fd, bytes + sent, (size_t)(length - sent));
    if (written >= 0) sent += (int)written;
    else if (errno == EAGAIN) poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, STALL_MS);
    else fail("write");
  }
}

static void sendBatch(Client *client) {
  char key[32];
  int length = 0, target = -1, sets = 0;
  for (int i = 0; i < options.pipeline; i++) {
    int keyLength = drawKey(key, &target);
    int isSet = options.workload == SET || options.workload == FILL || (options.workload == MIXED && randomNext() % 10 == 0);
    sets += isSet;
    length += writeCommand(client->out + length, key, keyLength, isSet);
  }
  client->operations = client->pending = options.pipeline;
  if (options.wait > 0 && sets > 0) {
    char count[12];
    int digits = sprintf(count, "%d", options.wait);
    length += sprintf(client->out + length, "*3\r\n$4\r\nWAIT\r\n$%d\r\n%s\r\n$1\r\n0\r\n", digits, count);
    client->pending++;
  }
  client->sentAt = now();
  sendAll(client->sockets[target < 0 ? 0 : target].fd, client->out, length);
}

// ---- replies

static volatile sig_atomic_t isStopped, isReportWanted;

static int isFinished(void) {
  if (options.workload == FILL) return filled >= options.keys;
  return isStopped || (options.seconds > 0 && now() - startedAt >= options.warmup + options.seconds);
}

/** Clients that wait for replies, and with a rate those that wait for their next batch. */
static int busy, idleCount;
static Client **idle;
static double nextDue;

/** All replies of the batch are here. */
static void finishBatch(Client *client) {
  double at = now();
  if (at >= measureFrom) {
    double latency = at - client->sentAt;
    histogram[bucketOf(latency)] += client->operations;
    operationsDone += client->operations;
    if (latency > maxLatency) maxLatency = latency;
  }
  if (!isFinished() && options.rate == 0) {
    sendBatch(client);
    return;
  }
  busy--;
  idle[idleCount++] = client;
}

/** Sends what is due, as far as there are clients for it. */
static void sendDue(void) {
  for (; idleCount > 0 && nextDue <= now() && !isFinished(); nextDue += options.pipeline / options.rate) {
    Client *client = idle[--idleCount];
    busy++;
    sendBatch(client);
    client->sentAt = nextDue;
  }
}

static struct timespec *untilDue(struct timespec *wait) {
  double seconds = nextDue - now();
  if (seconds < 0) seconds = 0;
  if (idleCount == 0 || seconds > STALL_MS * 1e-3) seconds = STALL_MS * 1e-3;
  *wait = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  return wait;
}

static void replyDone(Client *client) {
  if (--client->pending == 0) finishBatch(client);
}

static void noteError(const char *line) {
  if (errors++ < 3) fprintf(stderr, "%s", line);
}

static void respLine(Socket *socket) {
  char *line = socket->line;
  if (line[0] == '-') noteError(line);
  if (line[0] == '$' && atol(line + 1) >= 0) socket->skip = atol(line + 1) + 2;
  else replyDone(socket->client);
}

/** Head lines up to an empty one, then a body of known length or in chunks. */
static void etcdLine(Socket *socket) {
  char *line = socket->line;
  if (socket->chunked && !socket->inHead) {
    long size = strtol(line, NULL, 16);
    if (size > 0) socket->skip = size + 2;
    else if (line[0] == '0') socket->chunked = 2;
    else if (socket->chunked == 2) {
      socket->chunked = 0;
      socket->inHead = 1;
      replyDone(socket->client);
    }
  } else if (!strncmp(line, "HTTP/1.1 ", 9)) {
    if (strncmp(line + 9, "200", 3)) noteError(line);
  } else if (!strncasecmp(line, "Content-Length:", 15)) socket->bodyBytes = atol(line + 15);
  else if (!strncasecmp(line, "Transfer-Encoding: chunked", 26)) socket->chunked = 1;
  else if (line[0] == '\r') {
    if (socket->chunked) socket->inHead = 0;
    else if (socket->bodyBytes > 0) socket->skip = socket->bodyBytes;
    else replyDone(socket->client);
  }
}

static void readReplies(Socket *socket) {
  static char bytes[READ_BYTES];
  ssize_t size = read(socket->fd, bytes, sizeof bytes);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) fail("the server closed the connection");
  for (ssize_t at = 0; at < size;) {
    if (socket->skip > 0) {
      long passed = size - at < socket->skip ? size - at : socket->skip;
      socket->skip -= passed;
      at += passed;
      int within = options.protocol == ETCD && socket->chunked;
      if (socket->skip == 0 && !within) replyDone(socket->client);
      continue;
    }
    char byte = bytes[at++];
    if (socket->lineLength < MAX_LINE - 1) socket->line[socket->lineLength++] = byte;
    if (byte != '\n') continue;
    socket->line[socket->lineLength] = 0;
    socket->lineLength = 0;
    if (options.protocol == ETCD) etcdLine(socket);
    else respLine(socket);
  }
}

// ---- running

static void openSocket(Socket *socket, Client *client, const char *address) {
  *socket = (Socket){.fd = dial(address), .client = client, .inHead = 1};
  fcntl(socket->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};
  epoll_ctl(epollFd, EPOLL_CTL_ADD, socket->fd, &event);
}

static Client *openClients(void) {
  static char *targets[MAX_TARGETS];
  int count = 0;
  if (options.slots) count = learnSlots(options.target, targets);
  else
    for (char *part = strtok(options.target, ","); part; part = strtok(NULL, ",")) indexOfTarget(targets, &count, part);
  Client *clients = calloc((size_t)options.connections, sizeof(Client));
  size_t room = (size_t)options.pipeline * ((size_t)options.valueBytes * 2 + 512) + 64;
  for (int i = 0; i < options.connections; i++) {
    int sockets = options.slots ? count : 1;
    clients[i].out = malloc(room);
    clients[i].sockets = calloc((size_t)sockets, sizeof(Socket));
    for (int j = 0; j < sockets; j++) openSocket(&clients[i].sockets[j], &clients[i], targets[options.slots ? j : i % count]);
  }
  return clients;
}

/** CPU time of this process so far. */
static double cpuSeconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static double cpuBefore, cpuSince;

static void report(void) {
  double elapsed = now() - measureFrom, total = now() - cpuSince;
  printf("{\"opsPerSecond\":%.1f,\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"p999Ms\":%.4f,\"maxMs\":%.4f,", (double)operationsDone / elapsed,
         percentile(0.5) * 1e3, percentile(0.99) * 1e3, percentile(0.999) * 1e3, maxLatency * 1e3);
  printf("\"operations\":%ld,\"errors\":%ld,\"clientCpu\":%.3f}\n", operationsDone, errors, (cpuSeconds() - cpuBefore) / total);
}

static void onSignal(int signal) {
  if (signal == SIGUSR1) isReportWanted = 1;
  else isStopped = 1;
}

static void reportSoFar(void) {
  isReportWanted = 0;
  report();
  fflush(stdout);
  memset(histogram, 0, sizeof histogram);
  operationsDone = errors = 0;
  maxLatency = 0;
  measureFrom = cpuSince = now();
  cpuBefore = cpuSeconds();
}

/** How many are ready; without a rate one call of the system, as the benchmarks of throughput count it. */
static int waitForReplies(struct epoll_event *events, int most) {
  if (options.rate == 0) return epoll_wait(epollFd, events, most, STALL_MS);
  struct timespec wait;
  struct pollfd readable = {.fd = epollFd, .events = POLLIN};
  int ready = ppoll(&readable, 1, untilDue(&wait), NULL);
  return ready > 0 ? epoll_wait(epollFd, events, most, 0) : ready;
}

static void run(Client *clients) {
  struct epoll_event events[256];
  startedAt = nextDue = cpuSince = now();
  measureFrom = options.workload == FILL ? startedAt : startedAt + options.warmup;
  idle = calloc((size_t)options.connections, sizeof(Client *));
  for (int i = 0; i < options.connections; i++)
    if (options.rate > 0) idle[idleCount++] = &clients[i];
    else {
      busy++;
      sendBatch(&clients[i]);
    }
  while (busy > 0 || !isFinished()) {
    double from = now();
    int ready = waitForReplies(events, 256);
    errno = 0;
    if (isReportWanted) reportSoFar();
    if (ready == 0 && busy > 0 && now() - from >= STALL_MS * 1e-3) fail("no reply for 10 s");
    for (int i = 0; i < ready; i++) readReplies(events[i].data.ptr);
    if (options.rate > 0) sendDue();
  }
}

static const char *argument(int count, char **words, int *at) {
  if (++*at >= count) fail("an option lacks its value");
  return words[*at];
}

static void parseOptions(int count, char **words) {
  for (int i = 1; i < count; i++) {
    const char *name = words[i];
    if (!strcmp(name, "--slots")) options.slots = 1;
    else if (!strcmp(name, "--target")) options.target = strdup(argument(count, words, &i));
    else if (!strcmp(name, "--protocol")) options.protocol = strcmp(argument(count, words, &i), "etcd") ? RESP : ETCD;
    else if (!strcmp(name, "--connections")) options.connections = atoi(argument(count, words, &i));
    else if (!strcmp(name, "--pipeline")) options.pipeline = atoi(argument(count, words, &i));
    else if (!strcmp(name, "--keys")) options.keys = atol(argument(count, words, &i));
    else if (!strcmp(name, "--value-bytes")) options.valueBytes = atoi(argument(count, words, &i));
    else if (!strcmp(name, "--wait")) options.wait = atoi(argument(count, words, &i));
    else if (!strcmp(name, "--rate")) options.rate = atof(argument(count, words, &i));
    else if (!strcmp(name, "--seconds")) options.seconds = atof(argument(count, words, &i));
    else if (!strcmp(name, "--warmup")) options.warmup = atof(argument(count, words, &i));
    else if (!strcmp(name, "--workload")) {
      const char *workload = argument(count, words, &i);
      const char *names[] = {"get", "set", "mixed", "fill"};
      int found = 0;
      while (found < 4 && strcmp(names[found], workload)) found++;
      if (found == 4) fail("a workload is get, set, mixed or fill");
      options.workload = (Workload)found;
    } else fail(name);
  }
  if (!options.target) fail("--target is missing");
  if (options.connections < 1 || options.pipeline < 1 || options.keys < 1) fail("connections, pipeline and keys start at 1");
  if (options.valueBytes < 1 || options.valueBytes > 500000) fail("a value has 1 to 500000 bytes");
}

int main(int count, char **words) {
  parseOptions(count, words);
  value = malloc((size_t)options.valueBytes + 1);
  memset(value, 'x', (size_t)options.valueBytes);
  epollFd = epoll_create1(0);
  Client *clients = openClients();
  signal(SIGUSR1, onSignal);
  signal(SIGTERM, onSignal);
  cpuBefore = cpuSeconds();
  run(clients);
  report();
  return errors > 0 && operationsDone == 0 ? 1 : 0;
}
