/* The table of commands: the only place that knows their names. Help, manual page and completion follow from it. */
#include "commands.h"

#define RETRAIN                                                                                                        \
    {                                                                                                                  \
        "retrain", "NAMES",                                                                                            \
            "train these students again (`hydra,kd`, or `all`). The old ones are kept in student/NAME.before until "   \
            "the command is done.",                                                                                    \
            trb__take_retrain                                                                                          \
    }

const trb__command trb__commands[TRB__COMMANDS] = {
    {"init", "FILE ...",
     "look at the files of a data set, and print a configuration that runs (--data.layout=nhwc: how to read them)",
     .local = trb__command_init},
    {"pack", "FOLDER", "write the PNG and JPEG images of a folder with a subfolder for each class into an HDF5 file",
     .local = trb__command_pack,
     .flag = {{"output", "FILE", "the HDF5 file to write.", trb__take_output},
              {"size", "PIXELS",
               "resize each image so that its short side has so many pixels, and cut out the middle square; without it "
               "all images must have the same size.",
               trb__take_size},
              {"channels", "1|3", "make all images grey (1) or coloured (3); without it all must be alike.",
               trb__take_channels},
              {"skip-bad", "", "leave out files that are no images or damaged, and list them.", trb__take_skip_bad},
              {"force", "", "overwrite a file that exists.", trb__take_force}}},
    {"run", "CONFIG", "train, cache, distil and evaluate, in one job",
     .stage = {trb_stage_check, trb_stage_train, trb_stage_cache, trb_stage_distill, trb__evaluate, trb_stage_settle},
     .flag = {RETRAIN}},
    {"train", "CONFIG", "train the members (--members=0-4,7: only these)", .stage = {trb_stage_train}},
    {"cache", "CONFIG", "write the logits of every member into the cache (--report: say what smaller caches lose)",
     .stage = {trb_stage_cache},
     .flag = {{"report", "",
               "write nothing; print what the members lose on held-out samples if the cache stores less: float16, 8 "
               "bits, the most probable classes.",
               trb__take_storage}}},
    {"distill", "CONFIG", "train the students, from the cache and the samples (--retrain=hydra: once more)",
     .stage = {trb_stage_distill, trb_stage_settle}, .flag = {RETRAIN}},
    {"eval", "CONFIG", "evaluate members, ensemble and students; print and write the report", .stage = {trb__evaluate}},
    {"predict", "RUN INPUT ...", "predict new samples by a network of a run, with uncertainties, as CSV or HDF5",
     .look = trb__command_predict, .of_run = true,
     .flag = {{"model", "NAME",
               "which network predicts: a student's name, ensemble, or member:3; the first student if it is not given.",
               trb__take_model},
              {"output", "FILE", "the file to write, .csv or .h5; CSV on stdout if it is not given.", trb__take_output},
              {"heads", "", "add the prediction of each head or member.", trb__take_heads},
              {"force", "", "overwrite a file that exists.", trb__take_force}}},
    {"plan", "CONFIG", "say what a run will need: files, bytes, hours, memory (--ranks=64: on 64 ranks)",
     .look = trb__make_plan, .flag = {{"ranks", "P", "make the plan for P ranks.", trb__take_ranks}}},
    {"compare", "RUN ...", "print the reports of runs side by side, with what differs in their configurations",
     .local = trb__command_compare,
     .flag = {{"format", "text|csv|json", "the form of the table; text if it is not given.", trb__take_table},
              {"report", "NAME", "compare the reports of this name instead of those of the runs' own sets.",
               trb__take_report}}},
    {"report", "RUN", "write one HTML page that shows a run: figures, charts, samples, how it was made",
     .local = trb__command_report,
     .flag = {{"name", "NAME", "show the report of this name instead of that of the run's own set.", trb__take_report},
              {"output", "FILE", "the file to write; report.html beside report.json if it is not given.",
               trb__take_output},
              {"force", "", "overwrite a page that exists.", trb__take_force}}},
    {"verify", "RUN", "check every byte of a run, or of a cache: weights, checkpoints, shards",
     .local = trb__command_verify},
    {"info", "FILE", "say what a run, weights file, checkpoint, shard or manifest holds, and how it was made",
     .local = trb__command_info},
    {"export", "WEIGHTS", "write a weights file, or those of all members, or the metrics of a run, for another program",
     .local = trb__command_export,
     .flag = {{"format", "onnx|safetensors|c|tensorboard|csv",
               "the format of the file. tensorboard and csv take the folder of a run, and write its training curves.",
               trb__take_format},
              {"output", "FILE", "the file to write, for tensorboard a folder.", trb__take_output},
              {"force", "", "overwrite a file that exists.", trb__take_force}}},
    {"config", "CONFIG", "print the configuration with all defaults (config --help: explain every key)",
     .local = trb__command_config, .own_help = true},
    {"page", "PAGE", "print a manual page (tribikos.1, tribikos_config.5), or bash completion (bash)",
     .local = trb__command_page},
    {"version", "", "print the versions of the program, its kernels and libraries (also --version)",
     .local = trb__command_version},
};
