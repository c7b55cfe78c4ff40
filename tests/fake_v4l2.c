/* A V4L2 camera that is not there, for LD_PRELOAD: what FFmpeg asks of the file FAKE_NODE is answered here.
 *
 * FAKE_PICTURES: a folder of 0.jpg, 1.jpg ... that it shows in turn; FAKE_COUNT: how many. FAKE_MODE, one or more words:
 * raw (no MJPG), busy, nospace (USB bandwidth), again (EAGAIN before each picture), slow (16 a second instead of 30),
 * gone (unplugged after FAKE_AFTER pictures: the node goes too), silent (never answers after FAKE_AFTER), broken (every
 * fourth picture is torn), realtime (stamps in the time of day). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, SIZE = 1 << 20 };
static int node = -1, given, asked, streaming, rate = 30;
static unsigned format, width = 640, height = 480;
static unsigned char *memory[BUFFERS];
static int queue[BUFFERS], queued;
static double started;

static int mode(const char *word) {
    const char *all = getenv("FAKE_MODE");
    return all && strstr(all, word) != NULL;
}

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int fail(int number) {
    errno = number;
    return -1;
}

static int is_node(const char *path) {
    const char *fake = getenv("FAKE_NODE");
    return fake && path && strcmp(path, fake) == 0;
}

static int open_fake(void) {
    if (mode("busy")) return fail(EBUSY);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    given = asked = streaming = queued = 0;
    format = mode("raw") ? V4L2_PIX_FMT_YUYV : V4L2_PIX_FMT_MJPEG;
    return node = real("/dev/zero", O_RDWR);
}

#define OPEN(NAME)                                                                 \
    int NAME(const char *path, int flags, ...) {                                   \
        va_list arguments;                                                         \
        va_start(arguments, flags);                                                \
        int rights = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;   \
        va_end(arguments);                                                         \
        if (is_node(path)) return open_fake();                                     \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #NAME);             \
        return real(path, flags, rights);                                          \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (file == node) node = -1;
    return real(file);
}

#define MMAP(NAME, OFFSET)                                                                  \
    void *NAME(void *at, size_t length, int rights, int flags, int file, OFFSET offset) {   \
        void *(*real)(void *, size_t, int, int, int, OFFSET) = dlsym(RTLD_NEXT, #NAME);     \
        if (file < 0 || file != node) return real(at, length, rights, flags, file, offset); \
        void *made = real(at, length, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);          \
        memory[offset / SIZE] = made;                                                       \
        return made;                                                                        \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

static void describe(struct v4l2_pix_format *pix) {
    pix->width = width;
    pix->height = height;
    pix->pixelformat = format;
    pix->field = V4L2_FIELD_NONE;
    pix->sizeimage = SIZE;
}

static int next_picture(struct v4l2_buffer *buffer) {
    int after = getenv("FAKE_AFTER") ? atoi(getenv("FAKE_AFTER")) : -1;
    if (mode("gone") && given == after) {
        unlink(getenv("FAKE_NODE"));
        return fail(ENODEV);
    }
    if (mode("silent") && given == after)
        for (;;) sleep(1000);
    if (mode("again") && !(asked++ % 2)) return fail(EAGAIN);
    if (!queued) return fail(EAGAIN);
    double due = started + given / (mode("slow") ? 16.0 : rate), wait = due - now(CLOCK_MONOTONIC);
    if (wait > 0) usleep(wait * 1e6);
    int index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    size_t length = width * height * 2;
    if (format == V4L2_PIX_FMT_MJPEG) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%d.jpg", getenv("FAKE_PICTURES"), given % atoi(getenv("FAKE_COUNT")));
        FILE *file = fopen(name, "rb");
        length = file ? fread(memory[index], 1, SIZE, file) : 0;
        if (file) fclose(file);
        if (mode("broken") && given % 4 == 3) length = 20;
    } else {
        for (size_t at = 0; at < length; at += 2) {
            memory[index][at] = 16 + given % 200;
            memory[index][at + 1] = 128;
        }
    }
    double taken = mode("realtime") ? now(CLOCK_REALTIME) : now(CLOCK_MONOTONIC);
    memset(buffer, 0, sizeof *buffer);
    buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer->memory = V4L2_MEMORY_MMAP;
    buffer->index = index;
    buffer->bytesused = length;
    buffer->length = SIZE;
    buffer->timestamp.tv_sec = taken;
    buffer->timestamp.tv_usec = (taken - buffer->timestamp.tv_sec) * 1e6;
    given++;
    return 0;
}

static int answer(unsigned long request, void *data) {
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *can = data;
        memset(can, 0, sizeof *can);
        can->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        can->capabilities = can->device_caps | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_G_INPUT: *(int *)data = 0; return 0;
    case VIDIOC_S_INPUT: return 0;
    case VIDIOC_ENUMINPUT: return ((struct v4l2_input *)data)->index ? fail(EINVAL) : 0;
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *each = data;
        if (each->index > (mode("raw") ? 0u : 1u)) return fail(EINVAL);
        int packed = !mode("raw") && each->index == 0;
        each->pixelformat = packed ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        each->flags = packed ? V4L2_FMT_FLAG_COMPRESSED : 0;
        strcpy((char *)each->description, packed ? "Motion-JPEG" : "YUYV 4:2:2");
        return 0;
    }
    case VIDIOC_ENUM_FRAMESIZES: {
        struct v4l2_frmsizeenum *size = data;
        if (size->index > 1) return fail(EINVAL);
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.width = size->index ? 320 : 640;
        size->discrete.height = size->index ? 240 : 480;
        return 0;
    }
    case VIDIOC_G_FMT: describe(&((struct v4l2_format *)data)->fmt.pix); return 0;
    case VIDIOC_S_FMT: {
        struct v4l2_pix_format *pix = &((struct v4l2_format *)data)->fmt.pix;
        if (pix->pixelformat == V4L2_PIX_FMT_YUYV || (pix->pixelformat == V4L2_PIX_FMT_MJPEG && !mode("raw")))
            format = pix->pixelformat;
        if (pix->width == 320) width = 320, height = 240; /* any other size it changes to its own */
        describe(pix);
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)data)->parm.capture;
        if (request == VIDIOC_S_PARM && capture->timeperframe.numerator)
            rate = capture->timeperframe.denominator / capture->timeperframe.numerator == 15 ? 15 : 30;
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        capture->timeperframe.numerator = 1;
        capture->timeperframe.denominator = rate;
        return 0;
    }
    case VIDIOC_REQBUFS: ((struct v4l2_requestbuffers *)data)->count = BUFFERS; return 0;
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = data;
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * SIZE;
        return 0;
    }
    case VIDIOC_QBUF: queue[queued++] = ((struct v4l2_buffer *)data)->index; return 0;
    case VIDIOC_STREAMON:
        if (mode("nospace")) return fail(ENOSPC);
        streaming = 1;
        started = now(CLOCK_MONOTONIC);
        return 0;
    case VIDIOC_STREAMOFF: return 0;
    case VIDIOC_DQBUF: return next_picture(data);
    }
    return fail(ENOTTY);
}

int ioctl(int file, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (file >= 0 && file == node) return answer(request & 0xffffffffu, data);
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(file, request, data);
}
