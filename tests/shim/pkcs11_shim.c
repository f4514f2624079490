/*
 * A PKCS#11 module for tests: forwards every call to another module and fails on command.
 *
 * It is C, because a PKCS#11 module is: a table of C functions, and tests build it in a moment with the
 * compiler that the program's own build needs. No header of the standard is used; what is wrapped is declared
 * here (PKCS#11 2.40, whose table begins every later one).
 *
 * Environment:
 *   SHIM_MODULE    the module to forward to
 *   SHIM_RESERVED  what is given to its C_Initialize as pReserved (NSS wants its database there)
 *   SHIM_CONTROL   a file with lines "C_Sign ACTION COUNT"; read at every call. ACTION is a return value in
 *                  hexadecimal (0x30), or hang, abort, wrong (signature), short (signature). COUNT is how
 *                  often, -1 for ever. Counting begins anew when the file changes.
 *   SHIM_LOG       a file that gets a line for every call of C_Login, C_Initialize and C_Finalize
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long CK_RV;
typedef unsigned long U;
typedef void *P;

enum { FUNCTIONS = 68, GENERAL_ERROR = 5 };

struct table {
    unsigned char major, minor;
    void *f[FUNCTIONS];
};

struct initialize_args {
    void *mutex[4];
    U flags;
    void *reserved;
};

static struct table real, ours;

/* What is to go wrong now. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char orders[4096];
static long used[16];

static void read_orders(char *text, size_t size)
{
    const char *path = getenv("SHIM_CONTROL");
    text[0] = 0;
    if (!path)
        return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
}

/* The action for a function, if one is due; "" if not. */
static void order_for(const char *function, char action[32])
{
    char text[sizeof orders];
    action[0] = 0;
    read_orders(text, sizeof text);
    pthread_mutex_lock(&lock);
    if (strcmp(text, orders)) {
        strcpy(orders, text);
        memset(used, 0, sizeof used);
    }
    char *rest = text;
    for (int line = 0; line < 16 && rest && *rest; line++) {
        char *end = strchr(rest, '\n'), name[64], what[32];
        long count;
        if (end)
            *end++ = 0;
        if (sscanf(rest, "%63s %31s %ld", name, what, &count) == 3 && !strcmp(name, function)
            && (count < 0 || used[line] < count)) {
            used[line]++;
            strcpy(action, what);
            break;
        }
        rest = end;
    }
    pthread_mutex_unlock(&lock);
}

static void note(const char *function)
{
    const char *path = getenv("SHIM_LOG");
    if (!path)
        return;
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    char line[64];
    int length = snprintf(line, sizeof line, "%s\n", function);
    if (write(file, line, (size_t)length) < 0)
        abort();
    close(file);
}

/* Until the order is taken back. */
static void hang(const char *function)
{
    char action[32];
    do {
        struct timespec pause = {0, 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
        order_for(function, action);
    } while (!strcmp(action, "hang"));
}

/* A return value to give at once, or 0 to go on. What spoils signatures is done by the caller. */
static CK_RV go_wrong(const char *function, char action[32])
{
    order_for(function, action);
    if (!strncmp(action, "0x", 2))
        return strtoul(action, NULL, 16);
    if (!strcmp(action, "abort"))
        abort();
    if (!strcmp(action, "hang"))
        hang(function);
    return 0;
}

#define FORWARD(index, name, parameters, arguments)                                                    \
    static CK_RV name parameters                                                                       \
    {                                                                                                  \
        char action[32];                                                                               \
        CK_RV rv = go_wrong(#name, action);                                                            \
        return rv ? rv : ((CK_RV(*) parameters)real.f[index]) arguments;                               \
    }

FORWARD(2, C_GetInfo, (P a), (a))
FORWARD(4, C_GetSlotList, (unsigned char a, P b, P c), (a, b, c))
FORWARD(6, C_GetTokenInfo, (U a, P b), (a, b))
FORWARD(7, C_GetMechanismList, (U a, P b, P c), (a, b, c))
FORWARD(12, C_OpenSession, (U a, U b, P c, P d, P e), (a, b, c, d, e))
FORWARD(13, C_CloseSession, (U a), (a))
FORWARD(15, C_GetSessionInfo, (U a, P b), (a, b))
FORWARD(24, C_GetAttributeValue, (U a, U b, P c, U d), (a, b, c, d))
FORWARD(26, C_FindObjectsInit, (U a, P b, U c), (a, b, c))
FORWARD(27, C_FindObjects, (U a, P b, U c, P d), (a, b, c, d))
FORWARD(28, C_FindObjectsFinal, (U a), (a))
FORWARD(42, C_SignInit, (U a, P b, U c), (a, b, c))
FORWARD(59, C_GenerateKeyPair, (U a, P b, P c, U d, P e, U f, P g, P h), (a, b, c, d, e, f, g, h))

static CK_RV C_Initialize(struct initialize_args *arguments)
{
    char action[32];
    note("C_Initialize");
    CK_RV rv = go_wrong("C_Initialize", action);
    if (rv)
        return rv;
    struct initialize_args own = {{0}, 0, NULL};
    if (arguments)
        own = *arguments;
    own.reserved = getenv("SHIM_RESERVED");
    return ((CK_RV(*)(P))real.f[0])(&own);
}

static CK_RV C_Finalize(P reserved)
{
    char action[32];
    note("C_Finalize");
    CK_RV rv = go_wrong("C_Finalize", action);
    return rv ? rv : ((CK_RV(*)(P))real.f[1])(reserved);
}

static CK_RV C_Login(U session, U user, P pin, U length)
{
    char action[32];
    note("C_Login");
    CK_RV rv = go_wrong("C_Login", action);
    return rv ? rv : ((CK_RV(*)(U, U, P, U))real.f[18])(session, user, pin, length);
}

static CK_RV C_Sign(U session, P data, U length, unsigned char *signature, U *signature_length)
{
    char action[32] = "";
    /* Asking for the length is not signing. */
    CK_RV rv = signature ? go_wrong("C_Sign", action) : 0;
    if (rv)
        return rv;
    rv = ((CK_RV(*)(U, P, U, P, P))real.f[43])(session, data, length, signature, signature_length);
    if (rv || !signature)
        return rv;
    if (!strcmp(action, "wrong"))
        signature[*signature_length / 2] ^= 1;
    if (!strcmp(action, "short"))
        *signature_length -= 1;
    return 0;
}

CK_RV C_GetFunctionList(struct table **table)
{
    const char *path = getenv("SHIM_MODULE");
    P library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    CK_RV (*list)(struct table **) = NULL;
    if (library)
        *(P *)&list = dlsym(library, "C_GetFunctionList");
    struct table *theirs = NULL;
    if (!list || list(&theirs))
        return GENERAL_ERROR;
    real = ours = *theirs;
    ours.f[0] = C_Initialize;
    ours.f[1] = C_Finalize;
    ours.f[2] = C_GetInfo;
    ours.f[3] = C_GetFunctionList;
    ours.f[4] = C_GetSlotList;
    ours.f[6] = C_GetTokenInfo;
    ours.f[7] = C_GetMechanismList;
    ours.f[12] = C_OpenSession;
    ours.f[13] = C_CloseSession;
    ours.f[15] = C_GetSessionInfo;
    ours.f[18] = C_Login;
    ours.f[24] = C_GetAttributeValue;
    ours.f[26] = C_FindObjectsInit;
    ours.f[27] = C_FindObjects;
    ours.f[28] = C_FindObjectsFinal;
    ours.f[42] = C_SignInit;
    ours.f[43] = C_Sign;
    ours.f[59] = C_GenerateKeyPair;
    *table = &ours;
    return 0;
}
