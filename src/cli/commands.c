#include "commands.h"

/* The only place that knows the names of commands. */
const trb__command trb__commands[TRB__COMMANDS] = {
    {"run", "CONFIG", "train, cache, distil and evaluate, one after the other",
     .stage = {trb_stage_check, trb_stage_train, trb_stage_cache, trb_stage_distill, trb__evaluate}},
    {"train", "CONFIG", "train the members (--members=0-4,7: only these)", .stage = {trb_stage_train}},
    {"cache", "CONFIG", "write every member's logits to the sharded cache", .stage = {trb_stage_cache}},
    {"distill", "CONFIG", "train the students from the cache alone", .stage = {trb_stage_distill}},
    {"eval", "CONFIG", "evaluate members, ensemble and students", .stage = {trb__evaluate}},
    {"plan", "CONFIG", "say what a configuration will take: files, bytes, hours, memory (--ranks=64: on so many)",
     .look = trb__make_plan, .flag = {"ranks", "P", "as if there were P ranks.", trb__take_ranks}},
    {"verify", "CACHE", "check every byte of a cache", .local = trb__command_verify},
    {"info", "FILE", "say what a weights file, checkpoint, shard or manifest is", .local = trb__command_info},
    {"config", "CONFIG", "print the resolved configuration (config --help: all keys)", .local = trb__command_config,
     .own_help = true},
    {"page", "PAGE", "print the manual page tribikos.1 or tribikos_config.5, or completion for bash (bash)",
     .local = trb__command_page},
    {"version", "", "print the versions of program, kernels and libraries (also --version)",
     .local = trb__command_version},
};
