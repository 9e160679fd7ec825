-- What the kernel's exit records say of an attempt; NULL where nobody heard
-- them. The records themselves lie beside the log, in a file '.exits'.
ALTER TABLE attempt ADD COLUMN exits INTEGER;            -- processes that ended
ALTER TABLE attempt ADD COLUMN exits_cpu_usec INTEGER;   -- their CPU time
ALTER TABLE attempt ADD COLUMN exits_lost INTEGER;       -- messages lost meanwhile
