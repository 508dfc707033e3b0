/* mesh.c: what of the mesh needs no socket. */
#include "net/mesh.h"

const char *slk_mesh_end_name(enum slk_mesh_end end)
{
    switch (end) {
#define SLK_MESH_X(name, text)                                                                               \
    case SLK_END_##name:                                                                                     \
        return #name;
        SLK_MESH_ENDS(SLK_MESH_X)
#undef SLK_MESH_X
    case SLK_END_N:
        break;
    }
    return "?";
}

const char *slk_mesh_end_text(enum slk_mesh_end end)
{
    switch (end) {
#define SLK_MESH_X(name, text)                                                                               \
    case SLK_END_##name:                                                                                     \
        return text;
        SLK_MESH_ENDS(SLK_MESH_X)
#undef SLK_MESH_X
    case SLK_END_N:
        break;
    }
    return "?";
}
