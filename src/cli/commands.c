#include "commands.h"

/* The only place that knows the names of commands. */
const trb__command trb__commands[TRB__COMMANDS] = {
    {"run", "CONFIG", "train, cache, distil and evaluate, one after the other", NULL},
    {"train", "CONFIG", "train the members (--members=0-4,7: only these)", NULL},
    {"cache", "CONFIG", "write every member's logits to the sharded cache", NULL},
    {"distill", "CONFIG", "train the students from the cache alone", NULL},
    {"eval", "CONFIG", "evaluate members, ensemble and students", NULL},
    {"plan", "CONFIG", "say what a configuration will take: files, bytes, hours, memory (--ranks=64: on so many)",
     NULL},
    {"verify", "CACHE", "check every byte of a cache", trb__command_verify},
    {"info", "FILE", "say what a weights file, checkpoint, shard or manifest is", trb__command_info},
    {"config", "CONFIG", "print the resolved configuration (config --help: all keys)", trb__command_config},
    {"page", "PAGE", "print the manual page tribikos.1 or tribikos_config.5, or completion for bash (bash)",
     trb__command_page},
    {"version", "", "print the versions of program, kernels and libraries (also --version)", trb__command_version},
};
