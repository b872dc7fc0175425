/* Lets locks fail below one folder, as on file systems that have none.

   Preloaded by tests/support/lockless.py. LOCKLESS_FOLDER is the folder. LOCKLESS_FLOCK is the errno of each flock(2);
   EBADF is as on NFSv4: a lock for one process alone wants a file that is open for writing, and folders can be locked.
   LOCKLESS_POSIX, if set, is the errno of each fcntl(2) that locks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_below(int descriptor)
{
    char name[64], path[PATH_MAX + 1];
    const char *folder = getenv("LOCKLESS_FOLDER");
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(name, path, PATH_MAX);
    if (!folder || length < 0)
        return 0;
    path[length] = '\0';
    return strncmp(path, folder, strlen(folder)) == 0;
}

int flock(int descriptor, int operation)
{
    static int (*real)(int, int);
    const char *error = getenv("LOCKLESS_FLOCK");
    if (!real)
        real = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    if (error && !(operation & LOCK_UN) && is_below(descriptor)) {
        struct stat status;
        int number = atoi(error);
        int is_for_reading = (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY;
        if (number != EBADF || (is_for_reading && (operation & LOCK_EX) && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))) {
            errno = number;
            return -1;
        }
    }
    return real(descriptor, operation);
}

static int locks(int command)
{
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

#define INTERCEPT(name)                                                              \
    int name(int descriptor, int command, ...)                                       \
    {                                                                                \
        static int (*real)(int, int, void *);                                        \
        const char *error = getenv("LOCKLESS_POSIX");                                \
        va_list rest;                                                                \
        va_start(rest, command);                                                     \
        void *argument = va_arg(rest, void *);                                       \
        va_end(rest);                                                                \
        if (!real)                                                                   \
            real = (int (*)(int, int, void *))dlsym(RTLD_NEXT, #name);               \
        if (error && locks(command) && is_below(descriptor)) {                       \
            errno = atoi(error);                                                     \
            return -1;                                                               \
        }                                                                            \
        return real(descriptor, command, argument);                                  \
    }

INTERCEPT(fcntl)
INTERCEPT(fcntl64)
