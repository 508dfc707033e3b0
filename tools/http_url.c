/* http_url.c: see http_client.h: where a node is, without asking it. Pure. */
#include "tools/http_client.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct slk_fault *fault, const char *text, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "\"%.100s\" is not a node's URL: %s", text, why);
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

bool http_url_parse(struct http_url *out, const char *text, struct slk_fault *fault)
{
    size_t size = strlen(text), host;
    const char *rest;

    *out = (struct http_url){0};
    if (size >= HTTP_URL_MAX || !is_printable(text))
        return refuse(fault, text, "too long, or a character in it must be written as %20 and the like");
    while (size > 0 && text[size - 1] == '/')
        size--;
    memcpy(out->name, text, size);
    if (strncmp(out->name, "unix:", 5) == 0) {
        rest = out->name + 5;
        if (*rest != '/' || strlen(rest) >= 108) /* unix(7): sun_path */
            return refuse(fault, text, "unix: wants the whole path of a socket, at most 107 characters");
        memcpy(out->socket, rest, strlen(rest));
        memcpy(out->base, "http://localhost", sizeof("http://localhost"));
        return true;
    }
    if (strncmp(out->name, "http://", 7) != 0 && strncmp(out->name, "https://", 8) != 0)
        return refuse(fault, text, "it starts with http://, https:// or unix:");
    rest = strstr(out->name, "//") + 2;
    host = strcspn(rest, "/");
    if (host == 0 || *rest == ':')
        return refuse(fault, text, "no host in it");
    if (memchr(rest, '@', host) != NULL)
        return refuse(fault, text, "nodes know no names and passwords; --cert and --cert-key say who asks");
    if (strpbrk(rest, "?#") != NULL)
        return refuse(fault, text, "no ? and # belong to it");
    memcpy(out->base, out->name, size);
    return true;
}

uint64_t http_retry_after(const char *text, size_t size, uint64_t max)
{
    uint64_t seconds = 0;

    while (size > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\r' || text[size - 1] == '\n'))
        size--;
    if (!slk_decimal_parse(&seconds, UINT64_MAX, text, size))
        return max < 1 ? max : 1;
    return seconds < max ? seconds : max;
}
