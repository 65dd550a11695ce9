! Usage: predict WEIGHTS ROWS FILE: the same as predict.c, in Fortran.
program predict
   use, intrinsic :: iso_c_binding
   use tribikos
   implicit none
   type(tribikos_model) :: model
   character(4096) :: word
   integer :: n, i, k, status, unit
   real(c_float), allocatable :: x(:, :), p(:, :)
   real(c_double), allocatable :: u(:, :)

   call get_command_argument(1, word)
   call tribikos_open(model, word, status)
   if (status /= 0) call complain(tribikos_message())
   call get_command_argument(2, word)
   read (word, *) n
   allocate (x(model%inputs, n), p(model%outputs, n), u(n, 3))
   call get_command_argument(3, word)
   open (newunit=unit, file=trim(word), access="stream", form="unformatted", action="read", status="old")
   read (unit) x
   close (unit)

   if (model%is_regression) then
      call tribikos_predict(model, x, status, mean=u(:, 1), model_std=u(:, 2), data_std=u(:, 3))
   else
      call tribikos_predict(model, x, status, probabilities=p, total_uncertainty=u(:, 1), model_uncertainty=u(:, 2))
   end if
   if (status /= 0) call complain(tribikos_message(model))
   do i = 1, n
      k = maxloc(p(:, i), 1)
      if (model%is_regression) then
         print "(*(g0.9, 1x))", u(i, :)
      else
         print "(i0, 1x, *(g0.9, 1x))", k - 1, p(k, i), u(i, 1:2)
      end if
   end do
   call tribikos_close(model)

contains

   subroutine complain(why)
      use, intrinsic :: iso_fortran_env, only: error_unit
      character(*), intent(in) :: why
      write (error_unit, "(2a)") "predict: ", why
      stop 1, quiet=.true.
   end subroutine
end program
