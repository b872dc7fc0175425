/* Counts the calls by which a Python process writes below some folders, and disturbs the n-th one.

   Preloaded into Python by tests/support/faults.py, which explains the variables. Every counted call is a line in a
   log: its number, its name, its path. Programs that Python starts run undisturbed; a process that it forks does not.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char *folder, *calls;
static size_t folder_length;
static int log_descriptor = -1, error_number, is_lasting;
static long point, count;

static char *take(const char *name)
{
    char *value = getenv(name);
    char *kept = value ? strdup(value) : NULL;
    unsetenv(name);
    return kept;
}

__attribute__((constructor)) static void begin(void)
{
    char program[PATH_MAX] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || !strstr(program, "/python") || !getenv("FAULT_LOG"))
        return; /* setpriv, say: the Python that it becomes is meant */
    char *log = take("FAULT_LOG"), *number = take("FAULT_POINT"), *error = take("FAULT_ERROR");
    folder = take("FAULT_FOLDER");
    calls = take("FAULT_CALLS");
    is_lasting = take("FAULT_LASTING") != NULL;
    unsetenv("LD_PRELOAD");
    folder_length = strlen(folder);
    point = atol(number);
    error_number = atoi(error);
    log_descriptor = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static int is_chosen(const char *name)
{
    const char *found = calls;
    size_t length = strlen(name);
    if (!calls)
        return 1;
    while ((found = strstr(found, name))) {
        if ((found == calls || found[-1] == ',') && (found[length] == ',' || found[length] == '\0'))
            return 1;
        found += length;
    }
    return 0;
}

/* Returns 0 where the call may go on, else the number of the error that it shall end with. */
static int disturb(const char *name, int base, const char *path)
{
    char whole[2 * PATH_MAX], link[64], line[2 * PATH_MAX + 64];
    if (log_descriptor < 0 || !is_chosen(name))
        return 0;
    whole[0] = '\0';
    if (!path || path[0] != '/') {
        ssize_t length;
        if (base == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", base);
        length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, PATH_MAX - 1);
        if (length < 0)
            return 0;
        whole[length] = '\0';
        if (path && *path)
            strcat(whole, "/");
    }
    if (path)
        strncat(whole, path, PATH_MAX - 1);
    if (strncmp(whole, folder, folder_length) != 0 || whole[folder_length] != '/')
        return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, name, whole);
    syscall(SYS_write, log_descriptor, line, length);
    if (!point || number < point || (number > point && !is_lasting))
        return 0;
    if (!error_number)
        syscall(SYS_kill, getpid(), SIGKILL);
    return error_number;
}

#define GO_ON_UNLESS_DISTURBED(name, base, path)       \
    do {                                               \
        int error_ = disturb(name, base, path);        \
        if (error_) {                                  \
            errno = error_;                            \
            return -1;                                 \
        }                                              \
    } while (0)

#define REAL(result, function, types)                  \
    static result (*real) types;                       \
    if (!real)                                         \
        real = (result(*) types)dlsym(RTLD_NEXT, #function)

/* A call `function types` that is counted as `name`, with the folder and the path that it concerns. */
#define WATCH(result, function, name, types, values, base, path) \
    result function types                              \
    {                                                  \
        REAL(result, function, types);                 \
        GO_ON_UNLESS_DISTURBED(name, base, path);      \
        return real values;                            \
    }

#define IS_WRITING(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

#define WATCH_OPEN(function)                           \
    int function(const char *path, int flags, ...)     \
    {                                                  \
        va_list rest;                                  \
        va_start(rest, flags);                         \
        mode_t mode = va_arg(rest, mode_t);            \
        va_end(rest);                                  \
        REAL(int, function, (const char *, int, ...)); \
        if (IS_WRITING(flags))                         \
            GO_ON_UNLESS_DISTURBED("open", AT_FDCWD, path); \
        return real(path, flags, mode);                \
    }

#define WATCH_OPENAT(function)                         \
    int function(int base, const char *path, int flags, ...) \
    {                                                  \
        va_list rest;                                  \
        va_start(rest, flags);                         \
        mode_t mode = va_arg(rest, mode_t);            \
        va_end(rest);                                  \
        REAL(int, function, (int, const char *, int, ...)); \
        if (IS_WRITING(flags))                         \
            GO_ON_UNLESS_DISTURBED("open", base, path); \
        return real(base, path, flags, mode);          \
    }

WATCH_OPEN(open)
WATCH_OPEN(open64)
WATCH_OPENAT(openat)
WATCH_OPENAT(openat64)
WATCH(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
WATCH(int, mkdirat, "mkdir", (int base, const char *path, mode_t mode), (base, path, mode), base, path)
WATCH(int, rmdir, "rmdir", (const char *path), (path), AT_FDCWD, path)
WATCH(int, unlink, "unlink", (const char *path), (path), AT_FDCWD, path)
WATCH(int, unlinkat, flags & AT_REMOVEDIR ? "rmdir" : "unlink", (int base, const char *path, int flags),
      (base, path, flags), base, path)
WATCH(int, link, "link", (const char *from, const char *path), (from, path), AT_FDCWD, path)
WATCH(int, linkat, "link", (int from_base, const char *from, int base, const char *path, int flags),
      (from_base, from, base, path, flags), base, path)
WATCH(int, symlink, "symlink", (const char *target, const char *path), (target, path), AT_FDCWD, path)
WATCH(int, symlinkat, "symlink", (const char *target, int base, const char *path), (target, base, path), base, path)
WATCH(int, rename, "rename", (const char *from, const char *path), (from, path), AT_FDCWD, path)
WATCH(int, renameat, "rename", (int from_base, const char *from, int base, const char *path),
      (from_base, from, base, path), base, path)
WATCH(int, chmod, "chmod", (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
WATCH(int, fchmodat, "chmod", (int base, const char *path, mode_t mode, int flags), (base, path, mode, flags), base, path)
WATCH(int, fchmod, "chmod", (int file, mode_t mode), (file, mode), file, NULL)
WATCH(int, chown, "chown", (const char *path, uid_t user, gid_t group), (path, user, group), AT_FDCWD, path)
WATCH(int, lchown, "chown", (const char *path, uid_t user, gid_t group), (path, user, group), AT_FDCWD, path)
WATCH(int, fchown, "chown", (int file, uid_t user, gid_t group), (file, user, group), file, NULL)
WATCH(int, utimensat, "utime", (int base, const char *path, const struct timespec times[2], int flags),
      (base, path, times, flags), base, path)
WATCH(int, futimens, "utime", (int file, const struct timespec times[2]), (file, times), file, NULL)
WATCH(ssize_t, write, "write", (int file, const void *bytes, size_t size), (file, bytes, size), file, NULL)
WATCH(ssize_t, writev, "write", (int file, const struct iovec *parts, int number), (file, parts, number), file, NULL)
WATCH(ssize_t, sendfile, "write", (int file, int from, off_t *offset, size_t size), (file, from, offset, size), file, NULL)
WATCH(ssize_t, sendfile64, "write", (int file, int from, off64_t *offset, size_t size), (file, from, offset, size), file,
      NULL)
WATCH(ssize_t, copy_file_range, "write",
      (int from, off64_t *from_offset, int file, off64_t *offset, size_t size, unsigned int flags),
      (from, from_offset, file, offset, size, flags), file, NULL)
WATCH(int, fsync, "fsync", (int file), (file), file, NULL)
WATCH(int, fdatasync, "fsync", (int file), (file), file, NULL)
WATCH(int, truncate, "truncate", (const char *path, off_t size), (path, size), AT_FDCWD, path)
WATCH(int, truncate64, "truncate", (const char *path, off64_t size), (path, size), AT_FDCWD, path)
WATCH(int, ftruncate, "truncate", (int file, off_t size), (file, size), file, NULL)
WATCH(int, ftruncate64, "truncate", (int file, off64_t size), (file, size), file, NULL)
WATCH(int, flock, "flock", (int file, int operation), (file, operation), file, NULL)
