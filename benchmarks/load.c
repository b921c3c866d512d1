// A closed loop of HTTP/1.1 clients on one thread: each connection sends its next request once the last is answered in full.
//
//     load PORT CONNECTIONS SECONDS WARM_UP_SECONDS REQUESTS
//
// REQUESTS is a file of whole requests, each with a Content-Length, one after another. Every connection goes round all of
// them and starts at another one, so that a server can't live on one row's cached branches. What is answered during the
// seconds after the warm-up counts, whenever it was asked: that is unbiased even where an answer takes seconds.
//
// Prints JSON: the answers that count, their rate and latencies (exact percentiles by nearest rank, microseconds), and of
// all answers, those of the warm-up too, how many had which status and how long the shortest and the longest body was.
// Whatever breaks HTTP ends the program: a connection that closes, an answer without Content-Length or longer than that.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, PATIENCE_MS = 60000, MAX_STATUS = 600 };

typedef struct {
    const char *bytes;
    size_t size;
} Request;

typedef struct {
    int socket;
    size_t next;      // the request to send next
    double asked_us;  // when the last one was sent
    size_t received;
    char buffer[BUFFER_BYTES];
} Connection;

typedef struct {
    double *latencies_us;
    size_t n, room;
    size_t statuses[MAX_STATUS];
    size_t shortest, longest;
} Result;

static void fail(const char *what) {
    fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static void *allocated(void *memory) {
    if (memory == NULL) fail("no memory");
    return memory;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

// The bytes of the head with its empty line; 0 while that hasn't come.
static size_t head_size(const char *bytes, size_t size) {
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

static size_t body_size(const char *bytes, size_t head) {
    static const char name[] = "content-length:";
    const char *line = bytes, *end = bytes + head;
    while ((line = memchr(line, '\n', end - line)) && ++line < end)
        if ((size_t)(end - line) > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0)
            return strtoul(line + sizeof name - 1, NULL, 10);
    fail("a message without Content-Length");
    return 0;
}

static Request *read_requests(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    fseek(file, 0, SEEK_END);
    size_t size = ftell(file), room = 0, at = 0;
    rewind(file);
    char *bytes = allocated(malloc(size + 1));
    if (fread(bytes, 1, size, file) != size) fail(path);
    fclose(file);
    Request *requests = NULL;
    for (*n = 0; at < size; ++*n) {
        if (*n == room) requests = allocated(realloc(requests, (room = 2 * room + 64) * sizeof *requests));
        size_t head = head_size(bytes + at, size - at);
        if (head == 0) fail("a request without end of head");
        requests[*n] = (Request){bytes + at, head + body_size(bytes + at, head)};
        at += requests[*n].size;
    }
    if (*n == 0 || at != size) fail("a file that does not end with a whole request");
    return requests;
}

static int connected(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int found = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (found < 0 || connect(found, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(found, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return found;
}

static void ask(Connection *connection, const Request *requests, size_t n_requests) {
    const Request *request = &requests[connection->next];
    connection->next = (connection->next + 1) % n_requests;
    connection->received = 0;
    connection->asked_us = now_us();
    // One call takes it all: the socket is blocking for sending, and its buffer is empty.
    if (send(connection->socket, request->bytes, request->size, MSG_NOSIGNAL) != (ssize_t)request->size) fail("send");
}

// Reads what has come; whether the answer is complete now, with its status and the size of its body.
static bool answered(Connection *connection, size_t *status, size_t *body) {
    char *buffer = connection->buffer;
    ssize_t n = recv(connection->socket, buffer + connection->received, BUFFER_BYTES - connection->received, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return errno = 0, false;
    if (n < 0) fail("receive");
    if (n == 0) fail("the server closed a connection");
    connection->received += n;
    size_t head = head_size(buffer, connection->received);
    if (head == 0 && connection->received == BUFFER_BYTES) fail("an answer whose head has no end");
    if (head == 0) return false;
    if (head < 13 || strncmp(buffer, "HTTP/1.1 ", 9) != 0) fail("an answer that is not HTTP/1.1");
    *status = strtoul(buffer + 9, NULL, 10);
    *body = body_size(buffer, head);
    if (*status >= MAX_STATUS) fail("a status that does not exist");
    if (head + *body > BUFFER_BYTES) fail("an answer too large for the buffer");
    if (connection->received > head + *body) fail("an answer longer than its Content-Length");
    return connection->received == head + *body;
}

static void add_latency(Result *result, double latency_us) {
    if (result->n == result->room) {
        result->room = 2 * result->room + 4096;
        result->latencies_us = allocated(realloc(result->latencies_us, result->room * sizeof(double)));
    }
    result->latencies_us[result->n++] = latency_us;
}

static Result loaded(int port, size_t n, double seconds, double warm_up, const Request *requests, size_t n_requests) {
    Result result = {.shortest = SIZE_MAX};
    Connection *connections = allocated(calloc(n, sizeof *connections));
    struct epoll_event *events = allocated(calloc(n, sizeof *events));
    int poll = epoll_create1(0);
    for (size_t i = 0; i < n; i++) {
        connections[i].socket = connected(port);
        connections[i].next = i * n_requests / n;
        struct epoll_event wanted = {.events = EPOLLIN, .data = {.ptr = &connections[i]}};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].socket, &wanted) < 0) fail("epoll");
    }
    double from = now_us() + warm_up * 1e6, until = from + seconds * 1e6;
    for (size_t i = 0; i < n; i++) ask(&connections[i], requests, n_requests);
    // At the end nothing more is asked, but every answer is awaited: the server is idle afterwards.
    for (size_t waiting = n; waiting > 0;) {
        int ready = epoll_wait(poll, events, n, PATIENCE_MS);
        if (ready < 0 && errno != EINTR) fail("epoll");
        if (ready == 0) fail("no answer for a minute");
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            size_t status, body;
            if (!answered(connection, &status, &body)) continue;
            double now = now_us();
            if (from <= now && now < until) add_latency(&result, now - connection->asked_us);
            result.statuses[status]++;
            if (body < result.shortest) result.shortest = body;
            if (body > result.longest) result.longest = body;
            if (now < until)
                ask(connection, requests, n_requests);
            else
                waiting--;
        }
    }
    for (size_t i = 0; i < n; i++) close(connections[i].socket);
    return result;
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double percentile(const Result *sorted, double share) {
    size_t rank = (size_t)(share * sorted->n);
    if (rank < share * sorted->n) rank++;
    return sorted->latencies_us[rank ? rank - 1 : 0];
}

static void show(Result *result, double seconds) {
    if (result->n == 0) fail("no answer came during the time that counts");
    qsort(result->latencies_us, result->n, sizeof(double), by_size);
    printf("{\"requests\": %zu, \"seconds\": %g, \"per_second\": %.1f, \"statuses\": {", result->n, seconds, result->n / seconds);
    const char *separator = "";
    for (int status = 0; status < MAX_STATUS; status++) {
        if (result->statuses[status] == 0) continue;
        printf("%s\"%d\": %zu", separator, status, result->statuses[status]);
        separator = ", ";
    }
    printf("}, \"shortest_body\": %zu, \"longest_body\": %zu, ", result->shortest, result->longest);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, ", percentile(result, 0.5), percentile(result, 0.9));
    printf("\"p99_us\": %.1f, \"p999_us\": %.1f, ", percentile(result, 0.99), percentile(result, 0.999));
    printf("\"max_us\": %.1f}\n", percentile(result, 1));
}

/* Stays on the last of the cores that it may use: where the scheduler moves it to and fro, it is now beside the server and
   now on top of it, and a figure says which. Servers may use all cores. */
static void keep_to_one_core(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) fail("sched_getaffinity");
    int last = CPU_SETSIZE - 1;
    while (last > 0 && !CPU_ISSET(last, &allowed)) last--;
    CPU_ZERO(&allowed);
    CPU_SET(last, &allowed);
    if (sched_setaffinity(0, sizeof allowed, &allowed)) fail("sched_setaffinity");
}

int main(int n_words, char **words) {
    if (n_words != 6) fail("expected PORT CONNECTIONS SECONDS WARM_UP_SECONDS REQUESTS");
    size_t n_connections = strtoul(words[2], NULL, 10), n_requests;
    double seconds = strtod(words[3], NULL), warm_up = strtod(words[4], NULL);
    if (n_connections == 0 || !(seconds > 0) || !(warm_up >= 0)) fail("expected a connection and a second at least");
    keep_to_one_core();
    Request *requests = read_requests(words[5], &n_requests);
    Result result = loaded(atoi(words[1]), n_connections, seconds, warm_up, requests, n_requests);
    show(&result, seconds);
    return 0;
}
